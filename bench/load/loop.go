package main

import (
	"syscall"
	"time"
	"unsafe"
)

// A loop waits on many sockets and timers with one thread and no allocation per event: the generator and the upstream
// share one core, and goroutines with their parking would cost more than the requests that they carry.
type loop struct {
	epoll   int
	sockets map[int32]socket
	timers  timerHeap
	events  [512]syscall.EpollEvent
	// What was read last lies here until the next read; a socket keeps what it did not consume.
	scratch []byte
	stopped bool
}

type socket interface {
	readable()
	writable()
}

type timer struct {
	due int64 // Unix nanoseconds
	run func(due int64)
}

func newLoop() (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &loop{epoll: epoll, sockets: map[int32]socket{}, scratch: make([]byte, 1<<20)}, nil
}

func (l *loop) add(fd int, s socket) error {
	l.sockets[int32(fd)] = s
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
}

// watchWrites asks for (or no longer for) a call of writable when the socket takes bytes again.
func (l *loop) watchWrites(fd int, wanted bool) {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	if wanted {
		event.Events |= syscall.EPOLLOUT
	}
	_ = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_MOD, fd, &event)
}

func (l *loop) drop(fd int) {
	delete(l.sockets, int32(fd))
	_ = syscall.Close(fd)
}

func (l *loop) at(due int64, run func(due int64)) { l.timers.push(timer{due, run}) }

func (l *loop) after(delay time.Duration, run func(due int64)) {
	l.at(time.Now().UnixNano()+int64(delay), run)
}

// run returns when stopped is set.
func (l *loop) run() error {
	for !l.stopped {
		wait := int64(-1)
		if len(l.timers) > 0 {
			wait = max(l.timers[0].due-time.Now().UnixNano(), 0)
		}
		count, err := l.wait(wait)
		if err != nil {
			return err
		}
		for i := range count {
			event := &l.events[i]
			if s, open := l.sockets[event.Fd]; open && event.Events&^syscall.EPOLLOUT != 0 {
				s.readable()
			}
			if s, open := l.sockets[event.Fd]; open && event.Events&syscall.EPOLLOUT != 0 {
				s.writable()
			}
		}
		for len(l.timers) > 0 && !l.stopped {
			if l.timers[0].due > time.Now().UnixNano() {
				break
			}
			next := l.timers.pop()
			next.run(next.due)
		}
	}
	return nil
}

// epoll_pwait2 has the same number on every architecture; older kernels (before 5.11) lack it, and milliseconds do there.
const sysEpollPwait2 = 441

var coarse bool

func (l *loop) wait(nanoseconds int64) (int, error) {
	for {
		count, err := l.waitOnce(nanoseconds)
		if err == syscall.EINTR {
			return 0, nil
		}
		if err == syscall.ENOSYS && !coarse {
			coarse = true
			continue
		}
		return count, err
	}
}

func (l *loop) waitOnce(nanoseconds int64) (int, error) {
	if nanoseconds == 0 || coarse || nanoseconds < 0 {
		milliseconds := -1
		if nanoseconds >= 0 {
			milliseconds = int((nanoseconds + 999_999) / 1_000_000)
		}
		return syscall.EpollWait(l.epoll, l.events[:], milliseconds)
	}
	timeout := syscall.NsecToTimespec(nanoseconds)
	count, _, errno := syscall.Syscall6(sysEpollPwait2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])),
		uintptr(len(l.events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(count), nil
}

// read and write never block on these sockets, so the scheduler needs no notice of them.
func read(fd int, into []byte) (int, error) {
	count, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
	if errno != 0 {
		return 0, errno
	}
	return int(count), nil
}

func write(fd int, data []byte) (int, error) {
	count, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	if errno != 0 {
		return 0, errno
	}
	return int(count), nil
}

type timerHeap []timer

func (h *timerHeap) push(t timer) {
	*h = append(*h, t)
	heap := *h
	for i := len(heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if heap[parent].due <= heap[i].due {
			break
		}
		heap[parent], heap[i] = heap[i], heap[parent]
		i = parent
	}
}

func (h *timerHeap) pop() timer {
	heap := *h
	first, last := heap[0], len(heap)-1
	heap[0] = heap[last]
	heap[last] = timer{}
	heap = heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && heap[child+1].due < heap[child].due {
			child++
		}
		if heap[i].due <= heap[child].due {
			break
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
	*h = heap
	return first
}
