package codes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ReviewMessage returns warnings about likely mistakes in a text that holds the
// code: characters that cost more segments, and malformed lines for phones that fill
// in the code. The formats are those of WebOTP and iOS (WICG, "Origin-bound one-time
// codes delivered via SMS") and of Android's SMS Retriever. Each warning says what to
// do.
func ReviewMessage(t Text, code Code) []string {
	text := string(t)
	return slices.Concat(reviewCharacters(t), reviewBoundCode(text, string(code)), reviewRetriever(text))
}

// lookalikes are what word processors write for plain characters.
var lookalikes = strings.NewReplacer("‘", "'", "’", "'", "“", `"`, "”", `"`, "–", "-", "—", "-", "…", "...", "\u00a0", " ", "\u202f", " ")

// reviewCharacters warns of characters that cost more segments than plain ones.
func reviewCharacters(t Text) []string {
	n, _ := Segments(t)
	plain, _ := Segments(Text(strings.Map(toASCII, lookalikes.Replace(string(t)))))
	if plain >= n {
		return nil
	}
	var found []string
	for _, r := range string(t) {
		if name := fmt.Sprintf("%c (%U)", r, r); r >= 0x80 && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return []string{fmt.Sprintf("the message takes %d segments because of %s; in ASCII alone it would take %d", n, strings.Join(found, ", "), plain)}
}

func toASCII(r rune) rune {
	if r >= 0x80 {
		return '?'
	}
	return r
}

var (
	boundLine = regexp.MustCompile(`^@\S+( |$)`) // even if it lacks the code
	boundEnd  = regexp.MustCompile(`\S @\S+ #`)
	urlLine   = regexp.MustCompile(`^https?://\S+ #`)
	hostName  = regexp.MustCompile(`^([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+$`)
	appHash   = regexp.MustCompile(`^[A-Za-z0-9+/]{11}$`)
)

// WebOTP accepts codes of this many characters.
const minWebOTP, maxWebOTP = 4, 10

// reviewBoundCode checks the line "@host #code".
func reviewBoundCode(text, code string) (warnings []string) {
	lines := strings.Split(text, "\n")
	last := lines[len(lines)-1]
	const form = "for phones to fill in the code, the last line must be @host #{code}"
	for _, line := range lines[:len(lines)-1] {
		if boundLine.MatchString(line) && strings.Contains(line, " #") {
			return []string{form + "; it is not the last one"}
		}
	}
	switch {
	case urlLine.MatchString(last):
		return []string{form + "; write @ and the host alone, without https://"}
	case boundEnd.MatchString(last):
		return []string{form + "; it must be a line of its own"}
	case !boundLine.MatchString(last):
		return nil
	}
	if len(code) < minWebOTP || len(code) > maxWebOTP {
		warnings = append(warnings, fmt.Sprintf("WebOTP takes codes of %d to %d characters only: set CODE_LENGTH accordingly", minWebOTP, maxWebOTP))
	}
	if strings.TrimSpace(strings.Join(lines[:len(lines)-1], "")) == "" {
		warnings = append(warnings, "the line for phones is the whole message: write a line for people before it, such as: {code} is your {org} code.")
	}
	fields := strings.Split(last, " ")
	if host := fields[0][1:]; !hostName.MatchString(host) {
		warnings = append(warnings, form+"; write the host alone after @, without https://, port or path")
	}
	switch {
	case len(fields) < 2 || !strings.HasPrefix(fields[1], "#"):
		warnings = append(warnings, form+"; after the host write one space and #{code}")
	case fields[1] != "#"+code:
		warnings = append(warnings, form+"; write nothing but {code} after #")
	case len(fields) > 3 || len(fields) == 3 && !boundLine.MatchString(fields[2]):
		warnings = append(warnings, form+"; nothing may follow except the @host of a page that embeds yours")
	}
	return warnings
}

// maxRetriever is the longest message, in bytes, that Android passes to an app.
const maxRetriever = 140

// reviewRetriever checks a message for Android's SMS Retriever: it ends with the
// hash of an app, and used to begin with <#>.
func reviewRetriever(text string) (warnings []string) {
	last := text[strings.LastIndexAny(text, " \n")+1:]
	isHash := appHash.MatchString(last)
	alone := strings.HasSuffix(text, "\n"+last)
	if !strings.HasPrefix(text, "<#>") && (!isHash || !alone) {
		return nil
	}
	if !isHash {
		warnings = append(warnings, "a message to an Android app, which begins with <#>, must end with the app's hash of 11 characters (A-Z a-z 0-9 + /)")
	}
	if len(text) > maxRetriever {
		warnings = append(warnings, fmt.Sprintf("a message to an Android app must have at most %d bytes, this one has %d", maxRetriever, len(text)))
	}
	return warnings
}
