package main

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strconv"
)

// The headers of a frame that carries an event of a model, as Bedrock writes them.
var chunkHeaders = frameHeaders(":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")

func frameHeaders(pairs ...string) []byte {
	var out []byte
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, byte(len(pairs[i])))
		out = append(out, pairs[i]...)
		out = append(out, 7) // text
		out = binary.BigEndian.AppendUint16(out, uint16(len(pairs[i+1])))
		out = append(out, pairs[i+1]...)
	}
	return out
}

// frame is an event as Amazon Bedrock sends it, in a chunk of the answer's own: lengths, headers, the event in base64
// beside padding, both checksums.
func frame(_, data string) string {
	payload := make([]byte, 0, len(data)*4/3+64)
	payload = append(payload, `{"bytes":"`...)
	payload = base64.StdEncoding.AppendEncode(payload, []byte(data))
	payload = append(payload, `","p":"abcdefghijklmnopqrstuv"}`...)
	size := 12 + len(chunkHeaders) + len(payload) + 4
	out := make([]byte, 0, size+12)
	out = strconv.AppendInt(out, int64(size), 16)
	out = append(out, "\r\n"...)
	start := len(out)
	out = binary.BigEndian.AppendUint32(out, uint32(size))
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunkHeaders)))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
	out = append(out, chunkHeaders...)
	out = append(out, payload...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
	return string(append(out, "\r\n"...))
}
