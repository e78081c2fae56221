package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// A message reads one HTTP/1.1 message, request or response, whose bytes come in any pieces.
type message struct {
	stage   stage
	left    int64 // bytes missing of the body, or of the chunk
	status  int   // of a response
	close   bool
	chunked bool
	path    string // of a request
}

type stage int

const (
	inHead stage = iota
	inBody
	inChunkSize
	inChunkExtension
	inChunk
	afterChunk
	inTrailer
	inTrailerLine
	finished
)

var (
	errHead  = errors.New("the head of a message is broken")
	errChunk = errors.New("the chunk framing of a message is broken")
	headEnd  = []byte("\r\n\r\n")
)

// feed consumes data up to the message's end and hands the body's bytes to body. Bytes of an unfinished head are not
// consumed: the caller gives them again with more behind them.
func (m *message) feed(data []byte, body func([]byte)) (consumed int, err error) {
	for consumed < len(data) && m.stage != finished {
		rest := data[consumed:]
		switch m.stage {
		case inHead:
			end := bytes.Index(rest, headEnd)
			if end < 0 {
				return consumed, nil
			}
			if err := m.head(rest[:end+2]); err != nil {
				return consumed, err
			}
			consumed += end + len(headEnd)
		case inBody, inChunk:
			piece := rest[:min(int64(len(rest)), m.left)]
			body(piece)
			consumed += len(piece)
			if m.left -= int64(len(piece)); m.left == 0 {
				if m.stage == inBody {
					m.stage = finished
				} else {
					m.stage = afterChunk
				}
			}
		default:
			if err := m.framing(rest[0]); err != nil {
				return consumed, err
			}
			consumed++
		}
	}
	return consumed, nil
}

func (m *message) framing(b byte) error {
	switch m.stage {
	case inChunkSize:
		digit := int64(-1)
		switch {
		case b >= '0' && b <= '9':
			digit = int64(b - '0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			digit = int64(b|0x20-'a') + 10
		case b == '\r' || b == ';':
			m.stage = inChunkExtension
			return nil
		}
		if digit < 0 || m.left > 1<<40 {
			return errChunk
		}
		m.left = m.left<<4 | digit
	case inChunkExtension:
		if b != '\n' {
			return nil
		}
		if m.stage = inChunk; m.left == 0 {
			m.stage = inTrailer
		}
	case afterChunk:
		if b == '\n' {
			m.stage = inChunkSize
		} else if b != '\r' {
			return errChunk
		}
	case inTrailer:
		if b == '\n' {
			m.stage = finished
		} else if b != '\r' {
			m.stage = inTrailerLine
		}
	case inTrailerLine:
		if b == '\n' {
			m.stage = inTrailer
		}
	}
	return nil
}

// head takes the first line and the headers, each with its line end.
func (m *message) head(lines []byte) error {
	response := bytes.HasPrefix(lines, []byte("HTTP/1."))
	if response {
		status, err := strconv.Atoi(string(lines[min(9, len(lines)):min(12, len(lines))]))
		if err != nil {
			return errHead
		}
		m.status = status
	} else {
		_, rest, _ := bytes.Cut(lines[:bytes.IndexByte(lines, '\n')], []byte(" "))
		path, _, _ := bytes.Cut(rest, []byte(" "))
		m.path = string(path)
	}
	length := int64(-1)
	for first := true; len(lines) > 0; first = false {
		end := bytes.IndexByte(lines, '\n')
		line := bytes.TrimSuffix(lines[:end], []byte("\r"))
		lines = lines[end+1:]
		colon := bytes.IndexByte(line, ':')
		if first || colon < 0 {
			continue
		}
		value := bytes.TrimSpace(line[colon+1:])
		switch name := line[:colon]; {
		case fold(name, "content-length"):
			parsed, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return errHead
			}
			length = parsed
		case fold(name, "transfer-encoding"):
			m.chunked = fold(value, "chunked")
		case fold(name, "connection"):
			m.close = fold(value, "close")
		}
	}
	switch {
	case m.chunked:
		m.stage, m.left = inChunkSize, 0
	case length > 0:
		m.stage, m.left = inBody, length
	case length == 0 || !response:
		m.stage = finished
	default:
		return fmt.Errorf("%w: neither a content-length nor chunks", errHead)
	}
	return nil
}

func fold(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}
