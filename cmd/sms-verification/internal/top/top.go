package top

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// every is the time between two scrapes.
const every = time.Second

// Top watches replicas.
type Top struct {
	replicas []*replica
	client   *http.Client
}

// New returns a Top of replicas. An address is the host:port of an ADMIN_ADDR, or a
// URL.
func New(addresses []string) (*Top, error) {
	t := &Top{client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}}
	for _, address := range addresses {
		r, err := newReplica(address)
		if err != nil {
			return nil, err
		}
		t.replicas = append(t.replicas, r)
	}
	return t, nil
}

// Run shows the replicas until ctx ends or q is pressed. With once, or if out is not
// a terminal, it prints one frame from two scrapes a second apart, and fails if no
// replica answers.
func (t *Top) Run(ctx context.Context, once bool, in io.Reader, out io.Writer) error {
	defer t.client.CloseIdleConnections()
	screen, isTerminal := out.(*os.File)
	isTerminal = isTerminal && term.IsTerminal(int(screen.Fd()))
	switch {
	case !isTerminal:
		return t.once(ctx, out, defaultWidth)
	case once:
		width, _ := size(screen)
		return t.once(ctx, out, width)
	}
	return t.watch(ctx, in, screen)
}

// once prints one frame.
func (t *Top) once(ctx context.Context, out io.Writer, width int) error {
	t.scrape(ctx)
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(every):
	}
	t.scrape(ctx)
	if _, err := io.WriteString(out, strings.Join(draw(t.replicas, time.Now(), width), "\n")+"\n"); err != nil {
		return err
	}
	for _, r := range t.replicas {
		if r.failed == nil {
			return nil
		}
	}
	return errors.New("top: no replica answers")
}

// watch redraws after each scrape. At the end it restores the terminal.
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

// scrape scrapes all replicas in parallel.
func (t *Top) scrape(ctx context.Context) {
	var wg sync.WaitGroup
	for _, r := range t.replicas {
		wg.Go(func() { r.scrape(ctx, t.client) })
	}
	wg.Wait()
}
