package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// chromium is a browser. Its tabs share nothing but the process.
type chromium struct{ ctx context.Context }

func startChromium(t *testing.T) *chromium {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(codestest.Installed(t, "chromium")), chromedp.NoSandbox, chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	// Events of this Chromium that the library does not know yet are no errors.
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return &chromium{ctx}
}

// tab is one window of the browser, with its errors.
type tab struct {
	testing.TB
	ctx    context.Context
	mu     sync.Mutex
	errors []string
}

// look is the size and the color scheme of a window.
type look struct {
	name          string
	width, height int64
	scheme        string // light or dark
}

var looks = []look{
	{"1280-light", 1280, 900, "light"}, {"1280-dark", 1280, 900, "dark"},
	{"390-light", 390, 844, "light"}, {"390-dark", 390, 844, "dark"},
}

// open opens the address in a window of its own.
func (c *chromium) open(t testing.TB, l look, url string) *tab {
	t.Helper()
	b := &tab{TB: t}
	ctx, stop := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // the time limit is not for the whole browser
		t.Fatal(err)
	}
	b.ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	protocol(b, log.Enable, cdp.Empty{})
	protocol(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	b.run(chromedp.EmulateViewport(l.width, l.height), chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("#recipient")))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, text := range b.errors {
			t.Errorf("in the browser: %s", text)
		}
	})
	return b
}

// listen records the errors of the page: exceptions, and violations of its content
// security policy.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		// Refusals by the API appear as network errors.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			b.errors = append(b.errors, e.Entry.Text)
		}
	}
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// protocol sends a command to the window.
func protocol[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.Fatal(err)
	}
	return result
}

// js runs a script and returns its value.
func js[T any](b *tab, script string, with ...any) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](fmt.Sprintf(script, with...), chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", script, err)
	}
	return value
}

// text returns the text of an element, which is empty if it cannot be seen.
func (b *tab) text(selector string) string {
	b.Helper()
	return js[string](b, `((e) => e?.checkVisibility() ? e.innerText : "")(document.querySelector(%q))`, selector)
}

// shows waits until an element shows a text.
func (b *tab) shows(selector, text string) {
	b.Helper()
	last := ""
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(last, text); time.Sleep(20 * time.Millisecond) {
		if last = b.text(selector); time.Now().After(deadline) {
			b.Fatalf("%s shows %q, not %q", selector, last, text)
		}
	}
}

// click clicks where the element is, as a person would.
func (b *tab) click(selector string) {
	b.Helper()
	b.run(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// fill replaces the text of a field by typing.
func (b *tab) fill(selector, text string) {
	b.Helper()
	b.click(selector)
	js[any](b, `document.activeElement.select()`)
	b.run(chromedp.KeyEvent(text))
}

// wantFocus expects that an element has the focus, by its id or else by its text.
func (b *tab) wantFocus(id string) {
	b.Helper()
	if got := js[string](b, `document.activeElement.id || document.activeElement.innerText`); got != id {
		b.Errorf("the focus is on %q, not on %q", got, id)
	}
}

// allowClipboard lets the page write to the clipboard, and the test read it.
func (b *tab) allowClipboard() {
	b.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		if _, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission:       &browser.PermissionDescriptor{Name: name},
			Setting:          browser.PermissionSettingGranted,
			BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// shot takes a picture of the whole page into the folder that SCREENSHOTS names, if any.
func (b *tab) shot(name string) {
	b.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.Fatal(err)
	}
}
