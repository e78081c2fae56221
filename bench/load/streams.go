package main

import (
	"bytes"
	"slices"
	"time"
)

// streams opens many event streams, checks that every event of each comes once and in order, and measures while all
// are open: the delay of each event from the upstream's clock to here, and the CPU time of the watched processes.
// It tells "open" when all have begun, "measured" at the end of the measured time, and "end" when all are over.
func streams(target string, request []byte, count, events int, ramp, warmup, duration time.Duration, watched processes) error {
	l, err := newLoop()
	if err != nil {
		return err
	}
	s := &audience{loop: l, target: target, request: request, count: count, events: events}
	began := time.Now().UnixNano()
	for number := range count {
		l.at(began+int64(ramp)*int64(number)/int64(count), func(int64) {
			if err := s.open(); err != nil {
				s.over("%v", err)
			}
		})
	}
	s.onOpen = func() {
		report(map[string]any{"phase": "open"})
		l.after(warmup, func(int64) {
			s.delays = make([]int64, 0, 1<<20)
			s.measuring = true
			cpu, received, ended, start := watched.cpu(), s.received, s.ended, time.Now()
			l.after(duration, func(int64) {
				s.measuring = false
				spent, seconds := watched.cpu()-cpu, time.Since(start).Seconds()
				delays := slices.Clone(s.delays)
				slices.Sort(delays)
				report(map[string]any{
					"phase": "measured", "cpu_ns": spent, "events": s.received - received, "seconds": seconds,
					"ended": s.ended - ended, "p50_ns": quantile(delays, 0.5), "p99_ns": quantile(delays, 0.99), "max_ns": quantile(delays, 1),
				})
			})
		})
	}
	if err := l.run(); err != nil {
		return err
	}
	report(map[string]any{
		"phase": "end", "streams": count, "begun": s.begun, "expected": count * events, "received": s.received,
		"errors": s.failures.count, "examples": s.failures.examples,
	})
	return nil
}

type audience struct {
	loop      *loop
	target    string
	request   []byte
	count     int
	events    int
	begun     int
	ended     int
	received  int
	measuring bool
	delays    []int64
	failures  failures
	onOpen    func()
}

type listener struct {
	*connection
	audience *audience
	message  message
	event    []byte // bytes of an event whose end has not come
	next     int
	begun    bool
	stopped  bool
	now      int64
}

func (s *audience) open() error {
	fd, err := dial(s.target, false)
	if err != nil {
		return err
	}
	c := &listener{connection: &connection{loop: s.loop, fd: fd}, audience: s}
	if err := s.loop.add(fd, c); err != nil {
		return err
	}
	return c.send(s.request)
}

// over counts a stream's end; with a text, as a failure.
func (s *audience) over(format string, values ...any) {
	if format != "" {
		s.failures.add(format, values...)
	}
	if s.ended++; s.ended == s.count {
		s.loop.stopped = true
	}
}

func (c *listener) writable() {
	if err := c.flush(); err != nil {
		c.end("send: %v", err)
	}
}

func (c *listener) readable() {
	data, err := c.receive()
	c.now = time.Now().UnixNano()
	if err != nil {
		c.end("a stream broke after %d events: %v", c.next, err)
		return
	}
	consumed, err := c.message.feed(data, c.body)
	if err != nil {
		c.end("%v", err)
		return
	}
	c.keep(data[consumed:])
	if c.message.stage != finished {
		return
	}
	switch {
	case c.message.status != 200:
		c.end("status %d: %.200s", c.message.status, c.event)
	case !c.stopped || c.next != c.audience.events:
		c.end("a stream ended after %d of %d events", c.next, c.audience.events)
	default:
		c.end("")
	}
}

func (c *listener) end(format string, values ...any) {
	c.loop.drop(c.fd)
	c.audience.over(format, values...)
}

func (c *listener) body(piece []byte) {
	if c.message.status != 200 {
		c.event = append(c.event, piece...)
		return
	}
	if !c.begun {
		c.begun = true
		if c.audience.begun++; c.audience.begun == c.audience.count {
			c.audience.onOpen()
		}
	}
	for len(piece) > 0 {
		// An event ends with an empty line; its end may be cut anywhere, so the search begins one byte early.
		if len(c.event) > 0 {
			from := len(c.event) - 1
			c.event = append(c.event, piece...)
			end := bytes.Index(c.event[from:], eventEnd)
			if end < 0 {
				return
			}
			end += from + len(eventEnd)
			piece = piece[len(piece)-(len(c.event)-end):]
			c.take(c.event[:end])
			c.event = c.event[:0]
			continue
		}
		end := bytes.Index(piece, eventEnd)
		if end < 0 {
			c.event = append(c.event, piece...)
			return
		}
		c.take(piece[:end+len(eventEnd)])
		piece = piece[end+len(eventEnd):]
	}
}

var (
	eventEnd     = []byte("\n\n")
	deltaEvent   = []byte("event: content_block_delta\n")
	stopEvent    = []byte("event: message_stop\n")
	failureEvent = []byte("event: error\n")
)

func (c *listener) take(event []byte) {
	s := c.audience
	switch {
	case bytes.HasPrefix(event, deltaEvent):
		if number := numberAfter(event, numberMark); number != c.next {
			s.failures.add("event %d came where %d was due", number, c.next)
			c.next = number
		}
		c.next++
		s.received++
		if s.measuring && len(s.delays) < cap(s.delays) {
			s.delays = append(s.delays, c.now-int64(numberAfter(event, sentMark)))
		}
	case bytes.HasPrefix(event, stopEvent):
		c.stopped = true
	case bytes.HasPrefix(event, failureEvent):
		s.failures.add("in-band error: %.200s", event)
	}
}
