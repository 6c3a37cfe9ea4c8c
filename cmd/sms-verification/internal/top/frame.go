package top

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	minWidth = 80  // a narrower terminal shows the left part
	maxWidth = 120 // longer lines are hard to follow
	none     = "-"

	labelWidth = 24 // of the first cell of a row
)

// frame is one screen.
type frame struct {
	width int // of the layout
	cut   int // width of the terminal
	lines []string
	now   reading // sum of the replicas' last readings
	rates reading // sum of their rates per second
}

// line adds a line, cut to the terminal.
func (f *frame) line(text string) {
	text = strings.TrimRight(text, " ")
	if utf8.RuneCountInString(text) > f.cut {
		text = pad(text, f.cut)
	}
	f.lines = append(f.lines, text)
}

// row adds a line of cells. The first is left-aligned, the others are right-aligned
// and spread over the width.
func (f *frame) row(cells ...string) {
	each := (f.width - labelWidth) / (len(cells) - 1)
	line := pad(cells[0], labelWidth)
	for _, cell := range cells[1:] {
		line += strings.Repeat(" ", max(1, each-utf8.RuneCountInString(cell))) + cell
	}
	f.line(line)
}

// pad pads or cuts a text to a width.
func pad(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:max(width-1, 0)]) + "…"
	}
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

// number formats a count, with thousands separators.
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

// rate formats a rate.
func rate(v float64, known bool) string {
	if known && v > 0 && v < 99.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return number(v, known)
}

// perMinute formats a rate per second as one per minute.
func perMinute(perSecond float64, known bool) string { return rate(60*perSecond, known) }

// share formats a part as a percentage of a whole.
func share(part, whole float64) string {
	if whole <= 0 || math.IsNaN(part) {
		return none
	}
	return fmt.Sprintf("%.0f %%", 100*part/whole)
}

// seconds formats a duration.
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

// bar draws a part as a bar.
func bar(part float64, width int) string {
	full := min(max(int(math.Round(part*float64(width))), 0), width)
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}

// span formats a duration in its two largest units.
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
