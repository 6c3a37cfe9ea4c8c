package app

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// adminHandlers returns the handlers of the admin listener by path, without those
// for health.
func (a *App) adminHandlers(registry *prometheus.Registry) map[string]http.Handler {
	return map[string]http.Handler{
		"/metrics":             promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		"/loglevel":            ownHost(a.cfg.AdminAddr, a.log.serveLevel),
		"/debug/pprof/":        http.HandlerFunc(pprof.Index),
		"/debug/pprof/*":       http.HandlerFunc(pprof.Index),
		"/debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
		"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		"/debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
		"/debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
	}
}

// ownHost refuses requests that change something if their Host is neither an
// address nor a name of this machine. Otherwise a web page could send any request
// here by letting its own name resolve to this address (DNS rebinding).
func ownHost(adminAddr string, next http.HandlerFunc) http.Handler {
	own := []string{"localhost"}
	if name, err := os.Hostname(); err == nil {
		own = append(own, name)
	}
	if name, _, err := net.SplitHostPort(adminAddr); err == nil {
		own = append(own, name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		isOwn := slices.ContainsFunc(own, func(name string) bool { return name != "" && strings.EqualFold(name, host) })
		if _, err := netip.ParseAddr(host); err != nil && !isOwn && r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "unknown Host; use localhost, an address, or the host of ADMIN_ADDR", http.StatusForbidden)
			return
		}
		next(w, r)
	})
}

// serveLevel returns the log level on GET, and sets it on PUT with level=debug,
// info, warn or error, until the process ends. It is PUT because any web page can
// make a browser send a POST here, but not a PUT.
func (l *Logs) serveLevel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch r.Method {
	case http.MethodPut:
		was := l.level.Level()
		if err := l.level.UnmarshalText([]byte(r.FormValue("level"))); err != nil {
			http.Error(w, "level must be debug, info, warn or error", http.StatusBadRequest)
			return
		}
		l.Warn("log level changed", "from", was, "to", l.level.Level())
	case http.MethodGet, http.MethodHead:
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		http.Error(w, "GET returns the level, PUT with level=debug sets it", http.StatusMethodNotAllowed)
		return
	}
	_, _ = fmt.Fprintln(w, strings.ToLower(l.level.Level().String()))
}
