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

// every is how often the replicas are asked.
const every = time.Second

// Top watches replicas.
type Top struct {
	replicas []*replica
	client   *http.Client
}

// New returns a Top of replicas, each named by the host:port of its
// ADMIN_ADDR or by a URL.
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

// Run shows the replicas until ctx ends or q is pressed. Asked for once, or
// where out is no terminal, it draws one frame from two scrapes a second
// apart, and fails when no replica answers.
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

// once draws a frame where lines follow each other.
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

// scrape asks all replicas at the same time.
func (t *Top) scrape(ctx context.Context) {
	var wg sync.WaitGroup
	for _, r := range t.replicas {
		wg.Go(func() { r.scrape(ctx, t.client) })
	}
	wg.Wait()
}
