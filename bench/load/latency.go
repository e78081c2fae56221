package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// latency sends the same request through two addresses by turns, each over one connection, and measures the time from
// the request's first byte out to the answer's first byte in.
func latency(target, direct string, request []byte, count int) error {
	var fds [2]int
	for side, address := range []string{direct, target} {
		fd, err := dial(address, true)
		if err != nil {
			return err
		}
		fds[side] = fd
	}
	var taken [2][]int64
	var failed failures
	warmup := min(count/10+1, 100)
	for round := range count + warmup {
		for turn := range 2 {
			side := (turn + round) % 2
			answer, err := exchangeOn(fds[side], request)
			if err != nil {
				return err
			}
			if answer.status != 200 {
				failed.add("status %d: %.200s", answer.status, answer.body)
			} else if round >= warmup {
				taken[side] = append(taken[side], int64(answer.firstByte))
			}
		}
	}
	result := map[string]any{"errors": failed.count, "examples": failed.examples}
	for side, name := range []string{"direct", "target"} {
		slices.Sort(taken[side])
		result[name+"_p50_ns"] = quantile(taken[side], 0.5)
		result[name+"_p99_ns"] = quantile(taken[side], 0.99)
	}
	report(result)
	return nil
}

type answer struct {
	status    int
	body      []byte
	firstByte time.Duration
}

// exchangeOn sends one request on a blocking socket and reads the whole answer.
func exchangeOn(fd int, request []byte) (answer, error) {
	var out answer
	began := time.Now()
	for rest := request; len(rest) > 0; {
		count, err := syscall.Write(fd, rest)
		if err != nil {
			return out, fmt.Errorf("send: %w", err)
		}
		rest = rest[count:]
	}
	var m message
	data, pending := make([]byte, 64<<10), 0
	for m.stage != finished {
		count, err := syscall.Read(fd, data[pending:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("receive: %w", err)
		}
		if count == 0 {
			return out, fmt.Errorf("receive: %w", io.ErrUnexpectedEOF)
		}
		if out.firstByte == 0 {
			out.firstByte = time.Since(began)
		}
		consumed, err := m.feed(data[:pending+count], func(piece []byte) { out.body = append(out.body, piece...) })
		if err != nil {
			return out, err
		}
		pending = copy(data, data[consumed:pending+count])
	}
	out.status = m.status
	return out, nil
}
