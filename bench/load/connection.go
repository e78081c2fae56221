package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// A connection is one non-blocking socket of a loop.
type connection struct {
	loop    *loop
	fd      int
	pending []byte // read and not consumed yet: part of a head
	unsent  []byte
	blocked bool
}

// receive reads what there is, behind what was kept. The bytes are good until the next receive of any connection.
// Raises io.EOF at the end.
func (c *connection) receive() ([]byte, error) {
	kept := copy(c.loop.scratch, c.pending)
	count, err := read(c.fd, c.loop.scratch[kept:])
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if count == 0 {
		return nil, io.EOF
	}
	c.pending = c.pending[:0]
	return c.loop.scratch[:kept+count], nil
}

func (c *connection) keep(data []byte) {
	if len(data) > 0 {
		c.pending = append(c.pending[:0], data...)
	}
}

// send writes data, or queues what the socket does not take. The data must not change until it is written.
func (c *connection) send(data []byte) error {
	if c.blocked {
		// The full slice makes append copy: what is queued may be the caller's.
		c.unsent = append(c.unsent[:len(c.unsent):len(c.unsent)], data...)
		return nil
	}
	c.unsent = data
	return c.flush()
}

func (c *connection) flush() error {
	for len(c.unsent) > 0 {
		count, err := write(c.fd, c.unsent)
		if err == syscall.EAGAIN {
			if !c.blocked {
				c.blocked = true
				c.loop.watchWrites(c.fd, true)
			}
			return nil
		}
		if err != nil && err != syscall.EINTR {
			return err
		}
		c.unsent = c.unsent[count:]
	}
	if c.blocked {
		c.blocked = false
		c.loop.watchWrites(c.fd, false)
	}
	c.unsent = nil
	return nil
}

func sockaddr(address string) (*syscall.SockaddrInet4, error) {
	parsed, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	out := &syscall.SockaddrInet4{Port: parsed.Port}
	copy(out.Addr[:], parsed.IP.To4())
	return out, nil
}

func listenOn(address string) (fd int, bound string, err error) {
	target, err := sockaddr(address)
	if err != nil {
		return 0, "", err
	}
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, "", err
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err = errors.Join(syscall.Bind(fd, target), syscall.Listen(fd, 4096)); err != nil {
		return 0, "", err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, "", err
	}
	own := name.(*syscall.SockaddrInet4)
	return fd, fmt.Sprintf("%s:%d", net.IP(own.Addr[:]), own.Port), nil
}

// dial connects, waiting for it, and returns a socket without delay; blocking or not as asked.
func dial(address string, blocking bool) (int, error) {
	target, err := sockaddr(address)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := syscall.Connect(fd, target); err != nil {
		_ = syscall.Close(fd)
		return 0, fmt.Errorf("connect to %s: %w", address, err)
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd, syscall.SetNonblock(fd, !blocking)
}
