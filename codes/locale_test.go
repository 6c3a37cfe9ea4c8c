package codes

import "testing"

func TestParseLocale(t *testing.T) {
	for text, want := range map[string]Locale{
		"es": "es", "ES-mx": "es-MX", "es_MX": "es-MX", "zh-hant-tw": "zh-Hant-TW", "iw": "he", "en-US-u-co-phonebk": "en-US-u-co-phonebk",
		"xx": "und", "es-xyz": "es", // well-formed, but unknown
	} {
		if got, err := ParseLocale(text); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "e", "es-", "-es", "es mx", "es,en", "not a tag", "español", "es\n", "es;q=1", "123", "C"} {
		if got, err := ParseLocale(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestMessageLookup: the text is that of the longest tag that is a prefix of the locale.
func TestMessageLookup(t *testing.T) {
	p := Policy{Message: template(t, "default {code}"), Messages: map[Locale]Template{
		"es": template(t, "es {code}"), "fr-CA": template(t, "fr-CA {code}"), "zh-Hant": template(t, "zh-Hant {code}"), "en": template(t, "en {code}"),
	}}
	for locale, want := range map[Locale]Text{
		"": "default 1", "es": "es 1", "es-MX": "es 1", "es-419": "es 1", "fr-CA": "fr-CA 1", "fr": "default 1", "fr-FR": "default 1",
		"zh-Hant-TW": "zh-Hant 1", "zh-TW": "default 1", "en-u-co-phonebk": "en 1", "e": "default 1", "und": "default 1",
	} {
		if got := p.message(locale).Render("1", "", 0); got != want {
			t.Errorf("%q: %q, want %q", locale, got, want)
		}
	}
}

func template(t *testing.T, text string) Template {
	m, err := ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
