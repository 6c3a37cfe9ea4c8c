package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// spendReport is the highest possible spend under the settings.
type spendReport struct {
	Price    float64          `json:"segment_price,omitempty"`
	Total    spend            `json:"total"`
	Profiles map[string]spend `json:"profiles,omitempty"` // profiles with a limit of their own
	Callers  map[string]spend `json:"callers,omitempty"`  // callers with a limit; "*" is every other caller
}

// spend has null members where no setting limits it.
type spend struct {
	Day   *bound `json:"day"`
	Month *bound `json:"month"`
}

// bound is the most that one setting allows in a period.
type bound struct {
	Segments int64    `json:"segments"`
	Cost     *float64 `json:"cost,omitempty"` // nil without a price
	Setting  string   `json:"setting"`
}

const (
	day   = 24 * time.Hour
	month = 30 * day
)

func newSpendReport(service codes.Policy, profiles []codes.Policy, price float64) *spendReport {
	r := &spendReport{Price: price, Profiles: map[string]spend{}, Callers: map[string]spend{}}
	total := codes.Limit{Kind: codes.TotalLimit, Windows: service.Limits.Total}
	bounds := func(segments int, limits ...codes.Limit) spend {
		s := spend{
			Day:   smallestBound(day, service.Limits.Pace.Rate, segments, append(limits, total)),
			Month: smallestBound(month, service.Limits.Pace.Rate, segments, append(limits, total)),
		}
		s.Day.price(price)
		s.Month.price(price)
		return s
	}
	r.Total = bounds(maxSegments(service, profiles, codes.AnyCaller))
	for _, p := range profiles {
		if len(p.Limits.Profile) > 0 {
			r.Profiles[p.Profile] = bounds(segmentsOf(p), codes.Limit{Kind: codes.ProfileLimit, Windows: p.Limits.Profile})
		}
	}
	for name, windows := range service.Limits.Callers {
		r.Callers[name] = bounds(maxSegments(service, profiles, name), codes.Limit{Kind: codes.CallerLimit, Windows: windows})
	}
	return r
}

// segmentsOf returns the segments of the longest message of a policy.
func segmentsOf(p codes.Policy) int {
	text, _ := sampleMessage(p, p.Message)
	longest, _ := codes.Segments(text)
	for _, m := range p.Messages {
		text, _ := sampleMessage(p, m)
		n, _ := codes.Segments(text)
		longest = max(longest, n)
	}
	return longest
}

// maxSegments returns the segments of the longest message that a caller can
// request; AnyCaller stands for all callers.
func maxSegments(service codes.Policy, profiles []codes.Policy, caller string) int {
	longest := segmentsOf(service)
	for _, p := range profiles {
		if caller == codes.AnyCaller || p.Callers == nil || slices.Contains(p.Callers, caller) {
			longest = max(longest, segmentsOf(p))
		}
	}
	return longest
}

// smallestBound returns the smallest bound that a rate and limits set for a
// period, nil if there is none.
func smallestBound(in time.Duration, rate, segments int, limits []codes.Limit) (least *bound) {
	offer := func(messages int64, setting string) {
		if n := messages * int64(segments); least == nil || n < least.Segments {
			least = &bound{Segments: n, Setting: setting}
		}
	}
	if rate > 0 {
		offer(int64(rate)*int64(in/time.Second), "FLOWROUTE_RATE "+strconv.Itoa(rate))
	}
	for _, l := range limits {
		for _, w := range l.Windows {
			spans := int64((in + w.Span - 1) / w.Span) // a part of a span counts as a whole one
			offer(spans*w.Max, l.Kind.Setting()+" "+w.Text)
		}
	}
	return least
}

// price sets the cost, rounded up to two decimals.
func (b *bound) price(price float64) {
	if b != nil && price > 0 {
		cost := math.Ceil(float64(b.Segments)*price*100-1e-6) / 100
		b.Cost = &cost
	}
}

func (b *bound) String() string {
	if b.Cost != nil {
		return fmt.Sprintf("%.2f", *b.Cost)
	}
	return fmt.Sprintf("%d segment(s)", b.Segments)
}

func (s spend) String() string {
	if s.Day == nil { // then Month is nil too
		return "unlimited"
	}
	return fmt.Sprintf("at most %v in a day (%s) and %v in 30 days (%s)", s.Day, s.Day.Setting, s.Month, s.Month.Setting)
}

func (r *spendReport) print(w io.Writer) {
	price := "without SEGMENT_PRICE"
	if r.Price > 0 {
		price = "at " + strconv.FormatFloat(r.Price, 'f', -1, 64) + " per segment"
	}
	_, _ = fmt.Fprintf(w, "Spend, %s: %v\n", price, r.Total)
	for _, name := range slices.Sorted(maps.Keys(r.Profiles)) {
		_, _ = fmt.Fprintf(w, "  profile %s: %v\n", name, r.Profiles[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Callers)) {
		title := "caller " + name
		if name == codes.AnyCaller {
			title = "each other caller"
		}
		_, _ = fmt.Fprintf(w, "  %s: %v\n", title, r.Callers[name])
	}
}
