package top

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// What a terminal understands, all of it since the VT100 and xterm.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // a screen of its own, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// Where the size is not known.
const defaultWidth, defaultHeight = 80, 24

func size(screen *os.File) (width, height int) {
	width, height, err := term.GetSize(int(screen.Fd()))
	if err != nil || width == 0 {
		return defaultWidth, defaultHeight
	}
	return width, height
}

// watch draws over and over, and leaves the terminal as it was.
func (t *Top) watch(ctx context.Context, in io.Reader, screen *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if keyboard, ok := in.(*os.File); ok && term.IsTerminal(int(keyboard.Fd())) {
		before, err := term.MakeRaw(int(keyboard.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(keyboard.Fd()), before) }()
		go quitOnKey(keyboard, cancel)
	}
	defer func() { _, _ = io.WriteString(screen, leaveScreen) }()
	if _, err := io.WriteString(screen, enterScreen); err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		t.scrape(ctx)
		if ctx.Err() != nil {
			return nil
		}
		width, height := size(screen)
		if err := show(screen, draw(t.replicas, time.Now(), width), height); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// show draws over the last frame, so that nothing flickers.
func show(screen io.Writer, lines []string, height int) error {
	if len(lines) > height && height > 1 {
		lines = append(lines[:height-1:height-1], "… a higher window shows more")
	}
	_, err := io.WriteString(screen, toTop+strings.Join(lines, clearLine+"\r\n")+clearLine+clearBelow)
	return err
}

// quitOnKey waits for q or Ctrl-C, which a raw terminal passes on as a key.
func quitOnKey(keyboard io.Reader, quit func()) {
	key := make([]byte, 1)
	for {
		if n, err := keyboard.Read(key); err != nil || n == 1 && (key[0] == 'q' || key[0] == 'Q' || key[0] == 3) {
			quit()
			return
		}
	}
}
