package top

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Control sequences of xterm, which all terminals understand.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// The size of a terminal that does not report one.
const defaultWidth, defaultHeight = 80, 24

func size(screen *os.File) (width, height int) {
	width, height, err := term.GetSize(int(screen.Fd()))
	if err != nil || width == 0 {
		return defaultWidth, defaultHeight
	}
	return width, height
}

// show draws over the last frame, so that the screen does not flicker.
func show(screen io.Writer, lines []string, height int) error {
	if len(lines) > height && height > 1 {
		lines = append(lines[:height-1:height-1], "… enlarge the window to see more")
	}
	_, err := io.WriteString(screen, toTop+strings.Join(lines, clearLine+"\r\n")+clearLine+clearBelow)
	return err
}

// quitOnKey calls quit on q or Ctrl-C, which a raw terminal delivers as a key.
func quitOnKey(keyboard io.Reader, quit func()) {
	key := make([]byte, 1)
	for {
		if n, err := keyboard.Read(key); err != nil || n == 1 && (key[0] == 'q' || key[0] == 'Q' || key[0] == 3) {
			quit()
			return
		}
	}
}
