package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// requests keeps every connection busy with one request at a time and compares each answer with the upstream's own.
func requests(target, direct string, request []byte, connections int, pause, warmup, duration time.Duration, watched processes) error {
	status, expected, err := ask(direct, request)
	if err != nil {
		return fmt.Errorf("the upstream itself: %w", err)
	}
	if status != 200 {
		return fmt.Errorf("the upstream itself answers %d", status)
	}
	l, err := newLoop()
	if err != nil {
		return err
	}
	g := &generator{loop: l, target: target, request: request, expected: expected, pause: pause}
	l.stopOnSignal()
	for range connections {
		if err := g.connect(); err != nil {
			return err
		}
	}
	var began time.Time
	var cpuAtStart, ownAtStart int64
	own := processes{os.Getpid()}
	l.after(warmup, func(int64) {
		g.done, g.failures, g.latencies = 0, failures{}, make([]int64, 0, 1<<20)
		began, cpuAtStart, ownAtStart = time.Now(), watched.cpu(), own.cpu()
	})
	l.after(warmup+duration, func(int64) { l.stopped = true })
	if err := l.run(); err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	cpu := watched.cpu() - cpuAtStart
	slices.Sort(g.latencies)
	report(map[string]any{
		"requests": g.done, "seconds": seconds, "errors": g.failures.count, "examples": g.failures.examples,
		"cpu_ns": cpu, "own_cpu_ns": own.cpu() - ownAtStart,
		"p50_ns": quantile(g.latencies, 0.5), "p99_ns": quantile(g.latencies, 0.99),
	})
	return nil
}

type generator struct {
	loop      *loop
	target    string
	request   []byte
	expected  []byte
	pause     time.Duration // of a connection, between its requests
	done      int
	failures  failures
	latencies []int64
}

type client struct {
	*connection
	generator *generator
	message   message
	began     int64
	offset    int
	wrong     bool
	closed    bool
	sample    []byte
}

func (g *generator) connect() error {
	fd, err := dial(g.target, false)
	if err != nil {
		return err
	}
	c := &client{connection: &connection{loop: g.loop, fd: fd}, generator: g}
	if err := g.loop.add(fd, c); err != nil {
		return err
	}
	c.next()
	return nil
}

func (c *client) next() {
	c.message, c.offset, c.wrong = message{}, 0, false
	c.began = time.Now().UnixNano()
	if err := c.send(c.generator.request); err != nil {
		c.fail("send: %v", err)
	}
}

func (c *client) writable() {
	if err := c.flush(); err != nil {
		c.fail("send: %v", err)
	}
}

func (c *client) readable() {
	data, err := c.receive()
	if err != nil {
		c.fail("receive: %v", err)
		return
	}
	for len(data) > 0 && !c.closed {
		consumed, err := c.message.feed(data, c.body)
		if err != nil {
			c.fail("%v", err)
			return
		}
		data = data[consumed:]
		if c.message.stage != finished {
			break
		}
		g := c.generator
		switch {
		case c.message.status != 200:
			c.fail("status %d: %.200s", c.message.status, c.sample)
			return
		case c.wrong || c.offset != len(g.expected):
			c.fail("an answer of %d bytes differs from the upstream's of %d", c.offset, len(g.expected))
			return
		case len(data) > 0:
			c.fail("%d bytes behind an answer", len(data))
			return
		}
		g.done++
		if len(g.latencies) < cap(g.latencies) {
			g.latencies = append(g.latencies, time.Now().UnixNano()-c.began)
		}
		if c.message.close {
			c.reconnect()
			return
		}
		if g.pause > 0 {
			c.loop.after(g.pause, func(int64) {
				if !c.closed {
					c.next()
				}
			})
			return
		}
		c.next()
	}
	c.keep(data)
}

func (c *client) body(piece []byte) {
	g := c.generator
	end := c.offset + len(piece)
	if end > len(g.expected) || !bytes.Equal(g.expected[c.offset:end], piece) {
		c.wrong = true
	}
	c.offset = end
	if c.message.status != 200 && len(c.sample) < 200 {
		c.sample = append(c.sample, piece...)
	}
}

func (c *client) fail(format string, values ...any) {
	c.generator.failures.add(format, values...)
	c.reconnect()
}

// reconnect takes a breath first, so that a dead server does not make millions of errors a second.
func (c *client) reconnect() {
	if c.closed {
		return
	}
	c.closed = true
	c.loop.drop(c.fd)
	c.loop.after(10*time.Millisecond, func(int64) {
		if err := c.generator.connect(); err != nil {
			c.generator.failures.add("%v", err)
			c.closed = false
			c.fd = -1
			c.reconnect()
		}
	})
}

// ask sends one request over a connection of its own and waits for the whole answer.
func ask(address string, request []byte) (status int, body []byte, err error) {
	fd, err := dial(address, true)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = syscall.Close(fd) }()
	answer, err := exchangeOn(fd, request)
	return answer.status, answer.body, err
}

func quantile(sorted []int64, q float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
