package tryit

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// isBrowser reports whether a person has opened the service's address in a browser: the
// request prefers HTML to JSON and has no arguments.
func isBrowser(r *http.Request) bool {
	accept := strings.Join(r.Header["Accept"], ",")
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" &&
		quality(accept, "text/html") > quality(accept, "application/json")
}

// quality returns the weight of a media type in an Accept header, from 0 to 1: that of the
// most specific element that matches.
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
			q, _ = strconv.ParseFloat(text, 64) // an invalid weight counts as 0
		}
	}
	return q
}
