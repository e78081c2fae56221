package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The stand-in for the Anthropic API, Amazon Bedrock and Google Cloud, which differ in their paths and in how they stream: it reads requests whole and answers at once. What a request asks for stands in
// the last bytes of its body: `"stream":true` makes events out of the answer, `"max_tokens":N` says how many text
// events, and `interval_us=N` in the metadata how far apart. The answer reports the body's size as its input tokens,
// so that the generator sees when bytes were lost on the way.
type upstream struct {
	loop     *loop
	listener int
	accepted int
	text     string
}

type exchange struct {
	*connection
	upstream *upstream
	message  message
	number   int
	size     int
	tail     []byte
	open     bool
}

const tailBytes = 512

func serve(listen string) error {
	l, err := newLoop()
	if err != nil {
		return err
	}
	fd, address, err := listenOn(listen)
	if err != nil {
		return err
	}
	u := &upstream{loop: l, listener: fd, text: strings.Repeat("The relay keeps \\\"every\\\" byte as it came.\\n", 30)}
	if err := l.add(fd, u); err != nil {
		return err
	}
	report(map[string]any{"listening": address})
	return l.run()
}

func (u *upstream) readable() {
	for {
		fd, _, err := syscall.Accept4(u.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		u.accepted++
		x := &exchange{connection: &connection{loop: u.loop, fd: fd}, upstream: u, number: u.accepted, open: true}
		if u.loop.add(fd, x) != nil {
			_ = syscall.Close(fd)
		}
	}
}

func (u *upstream) writable() {}

func (x *exchange) readable() {
	data, err := x.receive()
	if err != nil {
		x.end()
		return
	}
	for len(data) > 0 {
		consumed, err := x.message.feed(data, x.body)
		if err != nil {
			x.end()
			return
		}
		data = data[consumed:]
		if x.message.stage != finished {
			break
		}
		x.answer()
		x.message, x.size, x.tail = message{}, 0, x.tail[:0]
	}
	x.keep(data)
}

func (x *exchange) writable() {
	if x.flush() != nil {
		x.end()
	}
}

func (x *exchange) end() {
	if x.open {
		x.open = false
		x.loop.drop(x.fd)
	}
}

func (x *exchange) send(data []byte) {
	if x.connection.send(data) != nil {
		x.end()
	}
}

func (x *exchange) body(piece []byte) {
	x.size += len(piece)
	if len(piece) >= tailBytes {
		x.tail = append(x.tail[:0], piece[len(piece)-tailBytes:]...)
		return
	}
	x.tail = append(x.tail, piece...)
	if over := len(x.tail) - tailBytes; over > 0 {
		x.tail = x.tail[:copy(x.tail, x.tail[over:])]
	}
}

func (x *exchange) answer() {
	if x.message.path == tokenPath {
		x.token()
		return
	}
	if x.frames() || bytes.Contains(x.tail, []byte(`"stream":true`)) {
		x.stream(max(numberAfter(x.tail, `"max_tokens":`), 1), time.Duration(numberAfter(x.tail, "interval_us="))*time.Microsecond)
		return
	}
	body := fmt.Sprintf(`{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"%s"}],`+
		`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,`+
		`"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":412,"service_tier":"standard"}}`,
		x.upstream.text, x.size)
	x.send([]byte("HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2029 00:00:00 GMT\r\ncontent-type: application/json\r\n" +
		"request-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\nanthropic-organization-id: 00000000-0000-0000-0000-000000000000\r\n" +
		"cf-cache-status: DYNAMIC\r\nserver: cloudflare\r\nvary: Accept-Encoding\r\ncontent-length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body))
}

// frames tells whether the request asks Bedrock for a stream.
func (x *exchange) frames() bool {
	return strings.HasSuffix(x.message.path, "/invoke-with-response-stream")
}

const tokenPath = "/token"

// token is what Google's OAuth endpoint answers.
func (x *exchange) token() {
	body := `{"access_token":"ya29.` + strings.Repeat("x", 200) + `","expires_in":3600,"token_type":"Bearer"}`
	x.send([]byte("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body))
}

func (x *exchange) stream(count int, interval time.Duration) {
	start := fmt.Sprintf(`{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[],`+
		`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}`, x.size)
	event, contentType := event, "text/event-stream; charset=utf-8"
	if x.frames() {
		event, contentType = frame, "application/vnd.amazon.eventstream"
	}
	x.send([]byte("HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2029 00:00:00 GMT\r\ncontent-type: " + contentType + "\r\n" +
		"cache-control: no-cache\r\nrequest-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\nserver: cloudflare\r\ntransfer-encoding: chunked\r\n\r\n" +
		event("message_start", start) +
		event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)))
	// Streams begin at any phase of the interval, as streams of many developers do, so that their events do not come in bursts.
	_, phase := math.Modf(float64(x.number) * math.Phi)
	number := 0
	var next func(due int64)
	next = func(due int64) {
		if !x.open {
			return
		}
		if number == count {
			x.send([]byte(event("content_block_stop", `{"type":"content_block_stop","index":0}`) +
				event("message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}}`, count)) +
				event("message_stop", `{"type":"message_stop"}`) + "0\r\n\r\n"))
			return
		}
		sent := int64(0) // answers of streams without a pace are all alike
		if interval > 0 {
			sent = time.Now().UnixNano()
		}
		x.send([]byte(event("content_block_delta", fmt.Sprintf(
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s%d%s%d a few words"}}`,
			sentMark, sent, numberMark, number))))
		number++
		x.loop.at(due+int64(interval), next)
	}
	x.loop.after(time.Duration(phase*float64(interval)), next)
}

const (
	sentMark   = "sent="
	numberMark = " number="
)

func event(name, data string) string {
	payload := "event: " + name + "\ndata: " + data + "\n\n"
	return strconv.FormatInt(int64(len(payload)), 16) + "\r\n" + payload + "\r\n"
}

// numberAfter is the number behind the last occurrence of mark, or 0.
func numberAfter(data []byte, mark string) int {
	at := bytes.LastIndex(data, []byte(mark))
	if at < 0 {
		return 0
	}
	number := 0
	for _, b := range data[at+len(mark):] {
		if b < '0' || b > '9' {
			break
		}
		number = number*10 + int(b-'0')
	}
	return number
}
