package tryit

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// isBrowser tells a person who opens the service's address from a program
// that calls the API: it asks for HTML before JSON, and has no arguments.
func isBrowser(r *http.Request) bool {
	accept := strings.Join(r.Header["Accept"], ",")
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" &&
		quality(accept, "text/html") > quality(accept, "application/json")
}

// quality is how much an Accept header wants a media type, from 0 to 1: what
// its most specific element that matches says.
func quality(accept, mediaType string) float64 {
	family, _, _ := strings.Cut(mediaType, "/")
	best, q := 0, 0.0
	for element := range strings.SplitSeq(accept, ",") {
		name, parameters, err := mime.ParseMediaType(element)
		specific := map[string]int{"*/*": 1, family + "/*": 2, mediaType: 3}[name]
		if err != nil || specific <= best {
			continue
		}
		best, q = specific, 1
		if text, given := parameters["q"]; given {
			q, _ = strconv.ParseFloat(text, 64) // what is no number is not wanted
		}
	}
	return q
}
