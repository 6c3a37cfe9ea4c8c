package redistest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
)

// readValue appends the bytes of the next RESP value to buf: a command, or a
// reply in RESP2 or RESP3. An inline command counts as one too.
func readValue(in *bufio.Reader, buf []byte) ([]byte, error) {
	line, err := in.ReadBytes('\n')
	buf = append(buf, line...)
	if err != nil {
		return buf, err
	}
	parts := 0
	switch line[0] {
	case '$', '=', '!', '*', '~', '>', '%', '|':
		if parts, err = strconv.Atoi(string(line[1:max(1, len(line)-2)])); err != nil {
			return buf, fmt.Errorf("length of a RESP value: %w", err)
		}
	}
	switch line[0] {
	case '$', '=', '!':
		if parts < 0 {
			return buf, nil
		}
		start := len(buf)
		buf = append(buf, make([]byte, parts+len("\r\n"))...)
		_, err := io.ReadFull(in, buf[start:])
		return buf, err
	case '%':
		parts *= 2
	case '|':
		parts = 2*parts + 1 // attributes belong to the value behind them
	}
	for range parts {
		if buf, err = readValue(in, buf); err != nil {
			return buf, err
		}
	}
	return buf, nil
}
