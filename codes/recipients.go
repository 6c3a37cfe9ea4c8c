package codes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Recipients says to which numbers messages may go. The zero value allows all.
type Recipients struct {
	rules      map[string]bool // prefix → allowed
	blockOther bool            // numbers that match no prefix
}

// ParseRecipients parses prefixes (1 to 11 digits that begin with 1) and named
// groups (see [RecipientGroups]). The longest prefix that matches a number
// decides; on equal length blocked wins. If no prefix is allowed, every number
// that is not blocked is.
func ParseRecipients(allowed, blocked []string) (Recipients, error) {
	r := Recipients{rules: map[string]bool{}, blockOther: len(allowed) > 0}
	for _, list := range []struct {
		items []string
		allow bool
	}{{allowed, true}, {blocked, false}} { // blocked comes last, so it wins on equal length
		for _, item := range list.items {
			prefixes, err := prefixesOf(item)
			if err != nil {
				return Recipients{}, err
			}
			for _, p := range prefixes {
				r.rules[p] = list.allow
			}
		}
	}
	return r, nil
}

func prefixesOf(item string) ([]string, error) {
	if areas, ok := recipientGroups[item]; ok {
		prefixes := strings.Fields(areas)
		for i, area := range prefixes {
			prefixes[i] = "1" + area
		}
		return prefixes, nil
	}
	if item == "" || len(item) > 11 || item[0] != '1' || !allDigits(item) {
		return nil, fmt.Errorf("%q is neither a prefix (1 to 11 digits, the first a 1, such as 1206) nor one of the groups %s",
			item, strings.Join(RecipientGroups(), ", "))
	}
	return []string{item}, nil
}

// RecipientGroups returns the names of the groups of area codes.
func RecipientGroups() []string { return slices.Sorted(maps.Keys(recipientGroups)) }

// Allow reports whether a message may go to p.
func (r Recipients) Allow(p Phone) bool {
	for n := len(p); n > 0; n-- {
		if allowed, ok := r.rules[string(p[:n])]; ok {
			return allowed
		}
	}
	return !r.blockOther
}
