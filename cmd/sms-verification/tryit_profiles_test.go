package main

import "testing"

// pick chooses an option of a field.
func (b *tab) pick(selector, value string) {
	b.Helper()
	js[any](b, `(e => { e.value = %q; e.dispatchEvent(new Event("change")) })(document.querySelector(%q))`, value, selector)
	if got := js[string](b, `document.querySelector(%q).value`, selector); got != value {
		b.Fatalf("%s has no option %q", selector, value)
	}
}

// TestTryItProfiles signs up under a profile and in a language of it.
func TestTryItProfiles(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	p := serveReady(t, debugEnvironment(profilesSetting, keysOf("shop", "bank"), "SEND_LIMITS=1/10m"))
	for i, l := range []look{looks[0], looks[3]} {
		t.Run(l.name, func(t *testing.T) {
			b := browser.open(t, l, p.URL)
			b.fill("#api-key", "shop")
			b.shows("#fact-digits", "4 digits")
			b.pick("#profile", "login")
			b.shows("#fact-digits", "6 digits")
			languages := js[string](b, `[...document.querySelector("#locale").options].map((o) => o.text).join(", ")`)
			if want := "Default, Spanish (es), Canadian French (fr-CA)"; languages != want {
				t.Errorf("languages %s, want %s", languages, want)
			}
			b.pick("#locale", "es")
			b.state("9-profile-" + l.name)
			b.sendTo([]string{"12065550171", "12065550172"}[i])
			b.shows("#messages .bubble", "es tu código de Example Bank.")
			b.shows("#from", "+1 206 555 0199")
			b.shows("#attempts", "2 attempts left")
			b.shows("#resend", "Send a new code in 9:5")
			contains(t, "the request", b.text("#wire li .command"), `"profile":"login","locale":"es"`)
			b.tryCode(b.lastSMS(1))
			b.shows("#title", "Your number is verified")
		})
	}
}

// TestTryItProfileNotAllowed: the page marks the profile that the key may not use.
func TestTryItProfileNotAllowed(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment(profilesSetting, keysOf("shop", "bank")))
	b := startChromium(t).open(t, looks[0], p.URL)
	b.fill("#api-key", "shop")
	b.pick("#profile", "payout")
	b.sendTo(anyone)
	b.shows("#notice", "This API key may not use the profile")
	b.wantFocus("profile")
	b.pick("#profile", "")
	b.click("#send")
	b.shows("#title", "Enter the code")
}
