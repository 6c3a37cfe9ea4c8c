package top

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	minWidth = 80  // what is narrower sees the left part
	maxWidth = 120 // wider, the eye loses the line
	none     = "-"
)

// frame is one picture of the service.
type frame struct {
	width int // that it is laid out for
	cut   int // that it has
	lines []string
	now   reading // sum of the replicas' last readings
	rates reading // sum of what their counters grew a second
}

// draw pictures the replicas as they are known now, in lines of at most width
// characters.
func draw(replicas []*replica, at time.Time, width int) []string {
	f := &frame{width: min(max(width, minWidth), maxWidth), cut: width, now: reading{}, rates: reading{}}
	answering, over := 0, 0.0
	for _, r := range replicas {
		if r.failed != nil {
			continue
		}
		answering++
		rates, seconds := r.rates()
		over = max(over, seconds)
		for _, s := range r.last() {
			f.now.add(s)
		}
		for _, s := range rates {
			f.rates.add(s)
		}
	}
	f.header(replicas, answering, over, at)
	if answering > 0 {
		f.codes()
		f.checks()
		f.limits(replicas)
		f.unverified(replicas)
		f.latencies()
		f.process()
	}
	return f.lines
}

func (f *frame) header(replicas []*replica, answering int, over float64, at time.Time) {
	title := fmt.Sprintf("sms-verification: %d of %d replicas answer", answering, len(replicas))
	if over > 0 {
		title += fmt.Sprintf("; rates over %.0f s", over)
	}
	clock := at.Format(time.TimeOnly)
	f.line(title + strings.Repeat(" ", max(1, f.width-utf8.RuneCountInString(title)-len(clock))) + clock)
	for _, r := range replicas {
		if r.failed != nil {
			f.line("  " + r.name + "  DOES NOT ANSWER: " + printable(r.failed.Error()))
			continue
		}
		f.line("  " + r.name + "  " + about(r.last(), at))
	}
}

// about is a replica in a few words.
func about(r reading, at time.Time) string {
	words := strings.Join(r.values("smsv_build_info", "version"), " ")
	if ready, known := r.total("smsv_ready"); known && ready == 0 {
		words += " NOT READY"
	}
	if started, known := r.total("process_start_time_seconds"); known {
		words += " up " + span(at.Sub(time.Unix(int64(started), 0)))
	}
	inside, _ := r.total("smsv_requests_in_flight")
	memory, _ := r.total("process_resident_memory_bytes")
	return strings.TrimSpace(fmt.Sprintf("%s, %.0f in flight, %.0f MB", words, inside, memory/1e6))
}

// span is how long something lasts, in its two largest units.
func span(d time.Duration) string {
	switch minutes, hours := int(d.Minutes()), int(d.Hours()); {
	case hours >= 24:
		return fmt.Sprintf("%dd%dh", hours/24, hours%24)
	case hours >= 1:
		return fmt.Sprintf("%dh%dm", hours, minutes%60)
	case minutes >= 1:
		return fmt.Sprintf("%dm%ds", minutes, int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
}

func (f *frame) line(text string) {
	text = strings.TrimRight(text, " ")
	if utf8.RuneCountInString(text) > f.cut {
		text = pad(text, f.cut)
	}
	f.lines = append(f.lines, text)
}

// row writes cells: the first to the left, the others to the right, spread
// over the width.
func (f *frame) row(cells ...string) {
	each := (f.width - labelWidth) / (len(cells) - 1)
	line := pad(cells[0], labelWidth)
	for _, cell := range cells[1:] {
		line += strings.Repeat(" ", max(1, each-utf8.RuneCountInString(cell))) + cell
	}
	f.line(line)
}

// pad makes a text as wide as it is to be.
func pad(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:max(width-1, 0)]) + "…"
	}
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

// number writes a count, with its thousands apart.
func number(v float64, known bool) string {
	if !known {
		return none
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// rate writes how often something happens.
func rate(v float64, known bool) string {
	if known && v > 0 && v < 99.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return number(v, known)
}

// share writes a part of a whole.
func share(part, whole float64) string {
	if whole <= 0 || math.IsNaN(part) {
		return none
	}
	return fmt.Sprintf("%.0f %%", 100*part/whole)
}

// seconds writes a duration.
func seconds(s float64) string {
	switch {
	case math.IsNaN(s):
		return none
	case s < 0.01:
		return fmt.Sprintf("%.1f ms", 1000*s)
	case s < 1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// bar fills a part of a width.
func bar(part float64, width int) string {
	full := min(max(int(math.Round(part*float64(width))), 0), width)
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}
