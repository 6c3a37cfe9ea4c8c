package codes

import "strings"

// Area is the group of area codes that a number belongs to, for metrics by
// destination. Stores keep its number, so the numbers must not change.
type Area uint8

// The areas: the groups of [RecipientGroups], and the rest.
const (
	AreaOther Area = iota
	AreaUS
	AreaCA
	AreaCaribbean
	AreaTollFree
	AreaPremium
	Areas = iota // how many there are
)

var areaNames = [Areas]string{"other", "us", "ca", "caribbean", "tollfree", "premium"}

// AreaNumber returns the area with that number, or AreaOther if it is unknown.
func AreaNumber(n int64) Area {
	if n < 0 || n >= Areas {
		return AreaOther
	}
	return Area(n)
}

// String returns the group's name.
func (a Area) String() string { return areaNames[a] }

// areaCodes are the areas by area code.
var areaCodes = func() (areas [1000]Area) {
	for area := AreaOther + 1; area < Areas; area++ {
		for _, code := range strings.Fields(recipientGroups[area.String()]) {
			areas[areaCode(code)] = area
		}
	}
	return areas
}()

// areaCode returns three digits as a number.
func areaCode(digits string) int {
	return int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')
}

// Area returns the area that the number belongs to.
func (p Phone) Area() Area {
	if len(p) != 11 || !allDigits(string(p)) {
		return AreaOther
	}
	return areaCodes[areaCode(string(p[1:4]))]
}
