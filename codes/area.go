package codes

import "strings"

// Area is the group of area codes that a number belongs to, for figures that
// can be read by destination. Stores keep it as its number, so the numbers
// stay as they are; what they do not know is AreaOther.
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

// AreaNumber returns the area with that number; one that is not known is AreaOther.
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

// areaCode is the number that three digits are.
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
