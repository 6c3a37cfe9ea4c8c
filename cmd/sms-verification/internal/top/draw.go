package top

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// draw returns the screen as lines of at most width characters.
func draw(replicas []*replica, now time.Time, width int) []string {
	f := &frame{width: min(max(width, minWidth), maxWidth), cut: width, now: reading{}, rates: reading{}}
	answering, period := 0, 0.0
	for _, r := range replicas {
		if r.failed != nil {
			continue
		}
		answering++
		rates, seconds := r.rates()
		period = max(period, seconds)
		for _, s := range r.last() {
			f.now.add(s)
		}
		for _, s := range rates {
			f.rates.add(s)
		}
	}
	f.header(replicas, answering, period, now)
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

func (f *frame) header(replicas []*replica, answering int, period float64, now time.Time) {
	title := fmt.Sprintf("sms-verification: %d of %d replicas answer", answering, len(replicas))
	if period > 0 {
		title += fmt.Sprintf("; rates over %.0f s", period)
	}
	clock := now.Format(time.TimeOnly)
	f.line(title + strings.Repeat(" ", max(1, f.width-utf8.RuneCountInString(title)-len(clock))) + clock)
	for _, r := range replicas {
		if r.failed != nil {
			f.line("  " + r.name + "  DOES NOT ANSWER: " + printable(r.failed.Error()))
			continue
		}
		f.line("  " + r.name + "  " + about(r.last(), now))
	}
}

// about describes a replica in a few words.
func about(r reading, now time.Time) string {
	words := strings.Join(r.values("smsv_build_info", "version"), " ")
	if ready, known := r.total("smsv_ready"); known && ready == 0 {
		words += " NOT READY"
	}
	if started, known := r.total("process_start_time_seconds"); known {
		words += " up " + span(now.Sub(time.Unix(int64(started), 0)))
	}
	inFlight, _ := r.total("smsv_requests_in_flight")
	memory, _ := r.total("process_resident_memory_bytes")
	return strings.TrimSpace(fmt.Sprintf("%s, %.0f in flight, %.0f MB", words, inFlight, memory/1e6))
}

// codes shows what became of the codes, in total and by area.
func (f *frame) codes() {
	steps := []string{"smsv_codes_created_total", "smsv_codes_sent_total", "smsv_codes_delivered_total", "smsv_codes_verified_total"}
	show := func(label string, from reading, write func(float64, bool) string, labels ...string) {
		cells := []string{label}
		for _, step := range steps {
			cells = append(cells, write(from.total(step, labels...)))
		}
		over, known := from.total("smsv_codes_over_total", labels...)
		ended, _ := from.total("smsv_codes_over_ended_total", labels...)
		cells = append(cells, write(max(over-ended, 0), known))
		created, _ := from.total(steps[0], labels...)
		verified, _ := from.total(steps[3], labels...)
		f.row(append(cells, share(verified, created))...)
	}
	f.line("")
	f.row("CODES", "created", "sent", "delivered", "verified", "expired", "share")
	show("since the start", f.now, number)
	show("per minute", f.rates, perMinute)
	for _, area := range f.used(steps[0], "area") {
		show("  "+area, f.rates, perMinute, "area", area)
	}
}

// checks shows the outcomes of checks.
func (f *frame) checks() {
	outcomes := []string{"right", "wrong", "used_up", "expired", "unknown"}
	header, rates, totals := []string{"CHECKS"}, []string{"per minute"}, []string{"since the start"}
	for _, outcome := range outcomes {
		header = append(header, strings.ReplaceAll(outcome, "_", " "))
		totals = append(totals, number(f.now.total("smsv_checks_total", "outcome", outcome)))
		rates = append(rates, perMinute(f.rates.total("smsv_checks_total", "outcome", outcome)))
	}
	f.line("")
	f.row(append(header, "")...)
	f.row(append(totals, "")...)
	f.row(append(rates, "")...)
}

// limits shows how many requests the limits refused, and the use of the budget.
func (f *frame) limits(replicas []*replica) {
	f.line("")
	f.row("LIMITS", "per minute", "since the start", "")
	show := func(limit, name string, labels ...string) {
		f.row("  "+limit, perMinute(f.rates.total(name, labels...)), number(f.now.total(name, labels...)), "")
	}
	for _, limit := range f.now.values("smsv_limits_hit_total", "limit") {
		show(limit, "smsv_limits_hit_total", "limit", limit)
	}
	show("MAX_IN_FLIGHT", "smsv_requests_shed_total")
	f.budget(replicas, "budget ", "smsv_send_budget_used", "smsv_send_budget_limit")
}

// budget shows how much of each shared limit is used. All replicas report the same
// numbers, so it takes the largest and does not add them up.
func (f *frame) budget(replicas []*replica, what, usedName, allowedName string) {
	for _, limit := range f.now.values(allowedName, "limit") {
		used, allowed := 0.0, 0.0
		for _, r := range replicas {
			if r.failed == nil {
				u, _ := r.last().total(usedName, "limit", limit)
				a, _ := r.last().total(allowedName, "limit", limit)
				used, allowed = max(used, u), max(allowed, a)
			}
		}
		text := fmt.Sprintf(" %s of %s", number(used, true), number(allowed, true))
		room := max(f.width-labelWidth-len(text)-2, 0)
		f.line(pad("  "+what+limit, labelWidth) + "[" + bar(used/max(allowed, 1), room) + "]" + text)
	}
}

// unverified shows the messages over UNVERIFIED_LIMITS: sent in mode shadow, refused
// in mode enforce.
func (f *frame) unverified(replicas []*replica) {
	const name = "smsv_unverified_refusals_total"
	if len(f.now.values(name, "mode")) == 0 {
		return
	}
	f.line("")
	f.row("UNVERIFIED", "per minute", "since the start", "")
	for _, mode := range f.now.values(name, "mode") {
		label := map[string]string{"shadow": "over limit, sent", "enforce": "over limit, refused"}[mode]
		f.row("  "+label, perMinute(f.rates.total(name, "mode", mode)), number(f.now.total(name, "mode", mode)), "")
	}
	f.budget(replicas, "", "smsv_unverified_messages", "smsv_unverified_allowance")
}

// latencies shows the latencies of the API, Redis and Flowroute.
func (f *frame) latencies() {
	f.line("")
	f.row("LATENCY", "per s", "p50", "p95", "p99", "failed")
	f.latency("HTTP ", "smsv_http_request_duration_seconds", "route", f.failedRequests)
	f.latency("Redis ", "smsv_redis_operation_duration_seconds", "operation", func(operation string) string {
		all, _ := f.rates.total("smsv_redis_operation_duration_seconds_count", "operation", operation)
		failed, _ := f.rates.total("smsv_redis_operation_errors_total", "operation", operation)
		return share(failed, all)
	})
	f.latency("Flowroute ", "smsv_flowroute_send_duration_seconds", "result", func(string) string { return "" })
	if _, known := f.now.total("smsv_pace_wait_seconds_count"); known {
		f.durations("pace wait", "", "smsv_pace_wait_seconds")
	}
}

// failedRequests returns the share of requests that failed, by the rule of the alerts: a
// message that may not have been sent is a failure, even where Twilio's routes answer 201.
func (f *frame) failedRequests(route string) string {
	failed := 0.0
	for _, s := range f.rates {
		isFailure := strings.HasPrefix(s.labels["status"], "5") || s.labels["reason"] == "MessageUnconfirmed"
		if s.name == "smsv_http_requests_total" && s.labels["route"] == route && isFailure {
			failed += s.value
		}
	}
	all, _ := f.rates.total("smsv_http_requests_total", "route", route)
	return share(failed, all)
}

// latency shows a histogram, with a line for each value of a label. Routes that only
// operators request are left out.
func (f *frame) latency(what, name, label string, failed func(value string) string) {
	for _, value := range f.used(name+"_count", label) {
		switch value {
		case "GET /metrics", "GET /healthz", "GET /readyz":
		default:
			f.durations(what+value, failed(value), name, label, value)
		}
	}
}

// used returns the values of a label whose counters are not 0. The other counters
// exist from the start, and would fill the screen.
func (f *frame) used(name, label string) (values []string) {
	for _, value := range f.now.values(name, label) {
		if n, _ := f.now.total(name, label, value); n > 0 {
			values = append(values, value)
		}
	}
	return values
}

func (f *frame) durations(what, failed, name string, labels ...string) {
	cells := []string{"  " + what, rate(f.rates.total(name+"_count", labels...))}
	for _, q := range []float64{0.5, 0.95, 0.99} {
		cells = append(cells, seconds(f.rates.quantile(q, name, labels...)))
	}
	f.row(append(cells, failed)...)
}

// process shows the resources that the replicas use.
func (f *frame) process() {
	total := func(name string, labels ...string) string {
		n, known := f.now.total(name, labels...)
		return number(n, known)
	}
	f.line("")
	f.line(fmt.Sprintf("PROCESS  cores %s  goroutines %s  Redis connections %s, idle %s, timeouts %s", rate(f.rates.total("process_cpu_seconds_total")), total("go_goroutines"),
		total("smsv_redis_pool_connections", "state", "total"), total("smsv_redis_pool_connections", "state", "idle"), total("smsv_redis_pool_timeouts_total")))
	if dropped, _ := f.now.total("smsv_log_lines_dropped_total"); dropped > 0 {
		f.line(fmt.Sprintf("         LOG LINES DROPPED: %s", number(dropped, true)))
	}
}
