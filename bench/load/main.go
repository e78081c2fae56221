// Command load is both ends of a benchmark: the upstream that answers, and the generator that asks and checks the
// answers. It speaks just enough HTTP/1.1 to cost far less than what it measures. Linux only.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const usage = `usage: load MODE [options]
  upstream   answer requests until killed
  requests   as many requests a second as come back
  streams    many open event streams: loss, delay, CPU of a process per event
  latency    time to first byte through two addresses by turns
`

func main() {
	runtime.LockOSThread()
	runtime.GOMAXPROCS(1)
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(mode string, arguments []string) error {
	flags := flag.NewFlagSet(mode, flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "upstream: address to listen on; printed")
	target := flags.String("target", "", "host:port that is measured")
	direct := flags.String("upstream", "", "host:port of the upstream itself: what a right answer is; latency: the other side")
	body := flags.String("body", "", "file with the request's body")
	connections := flags.Int("connections", 32, "requests: connections; streams: streams")
	duration := flags.Duration("duration", 3*time.Second, "requests, streams: how long is measured")
	warmup := flags.Duration("warmup", 500*time.Millisecond, "requests, streams: time before that")
	ramp := flags.Duration("ramp", time.Second, "streams: the time in which they are opened")
	pause := flags.Duration("pause", 0, "requests: of each connection, between its requests")
	events := flags.Int("events", 0, "streams: text events that each stream must bring")
	count := flags.Int("count", 1000, "latency: requests per side")
	pids := flags.String("pids", "", "processes whose CPU time is measured, with commas")
	var headers headerList
	flags.Var(&headers, "header", "a header of the request, `name: value`; may be repeated")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if mode == "upstream" {
		return serve(*listen)
	}
	content, err := os.ReadFile(*body)
	if err != nil {
		return err
	}
	watched, err := watch(*pids)
	if err != nil {
		return err
	}
	request := encode(*target, headers, content)
	switch mode {
	case "requests":
		return requests(*target, *direct, request, *connections, *pause, *warmup, *duration, watched)
	case "streams":
		return streams(*target, request, *connections, *events, *ramp, *warmup, *duration, watched)
	case "latency":
		return latency(*target, *direct, request, *count)
	}
	return errors.New(usage)
}

type headerList []string

func (h *headerList) String() string { return strings.Join(*h, ", ") }

func (h *headerList) Set(value string) error {
	*h = append(*h, value)
	return nil
}

func encode(host string, headers []string, body []byte) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "POST /v1/messages?beta=true HTTP/1.1\r\nhost: %s\r\n", host)
	for _, header := range headers {
		out.WriteString(header + "\r\n")
	}
	fmt.Fprintf(&out, "content-type: application/json\r\ncontent-length: %d\r\n\r\n", len(body))
	out.Write(body)
	return out.Bytes()
}

func report(value map[string]any) {
	line, _ := json.Marshal(value)
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// processes whose CPU time is read, with their threads.
type processes []int

func watch(list string) (processes, error) {
	var out processes
	for _, field := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("--pids: %w", err)
		}
		out = append(out, pid)
	}
	return out, nil
}

// cpu is the time on a core, user and system, in nanoseconds. The scheduler's own count has no ticks, which would
// round away what slow streams cost.
func (p processes) cpu() int64 {
	total := int64(0)
	for _, pid := range p {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
			first, _, _ := strings.Cut(string(text), " ")
			spent, _ := strconv.ParseInt(first, 10, 64)
			total += spent
		}
	}
	return total
}

// failures counts what went wrong, with a few examples in words.
type failures struct {
	count    int
	examples []string
}

func (f *failures) add(format string, values ...any) {
	f.count++
	if len(f.examples) < 3 {
		f.examples = append(f.examples, fmt.Sprintf(format, values...))
	}
}
