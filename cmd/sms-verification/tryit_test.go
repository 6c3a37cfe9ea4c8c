package main

import (
	"crypto/sha256"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// lastSMS returns the code in the nth message on the phone.
func (b *tab) lastSMS(n int) string {
	b.Helper()
	selector := fmt.Sprintf("#messages li:nth-child(%d) .bubble button", n)
	b.run(chromedp.WaitVisible(chromedp.CSS(selector)))
	return b.text(selector)
}

// sendTo asks for a code for a number.
func (b *tab) sendTo(number string) {
	b.Helper()
	b.fill("#recipient", number)
	b.click("#send")
}

func (b *tab) tryCode(code string) {
	b.Helper()
	b.fill("#code", code)
	b.click("#verify")
}

// TestTryIt signs up in a browser by clicking and typing, in every look.
func TestTryIt(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	p := serveReady(t, debugEnvironment("CODE_LENGTH=6", "CODE_EXPIRATION=600", "RETRIES_ALLOWED=2", "SEND_LIMITS=2/10m", "ORG_NAME=Example Shop"))
	for i, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			b := browser.open(t, l, p.URL) // which leads to the page
			if url := js[string](b, `location.pathname`); url != "/debug/" {
				t.Fatalf("the address of the service leads to %s", url)
			}
			b.state("1-start-" + l.name)

			number := fmt.Sprintf("1206555016%d", i)
			b.sendTo("+1 (206) 555-016" + fmt.Sprint(i))
			b.shows("#title", "Enter the code")
			b.shows("#attempts", "2 attempts left")
			b.shows("#expiry", "Expires in 9:5")
			b.shows("#fact-lifetime", "10 minutes")
			b.shows("#owner", "+1 206 555 016")
			b.shows("#messages .bubble", "Welcome to Example Shop!")
			b.wantFocus("code")
			lacks(t, "a request without profiles", b.text("#wire li .command"), "profile", "locale")
			first := b.lastSMS(1)
			if len(first) != 6 || !strings.Contains(p.stdout.String(), first) {
				t.Fatalf("the phone shows the code %q", first)
			}
			if l.width < 400 { // the phone is out of sight
				b.shows("#banner-text", first)
			}
			b.state("2-code-sent-" + l.name)
			if l.width < 400 {
				b.click("#banner")
				b.wantFocus("code")
				if got := js[string](b, `document.querySelector("#code").value`); got != first {
					t.Errorf("the banner filled in %q, not %q", got, first)
				}
			}

			b.tryCode(otherCode(first))
			b.shows("#notice", "That is not the code. 1 attempt left.")
			b.wantFocus("code")
			if js[string](b, `document.querySelector("#code").ariaInvalid`) != "true" {
				t.Error("the wrong code is not marked")
			}
			b.state("3-wrong-code-" + l.name)

			b.click("#resend")
			b.shows("#notice", "The old one is void")
			b.shows("#attempts", "2 attempts left")
			second := b.lastSMS(2)
			b.tryCode(first)
			b.shows("#notice", "That is not the code. 1 attempt left.")

			b.shows("#resend", "Send a new code in 9:") // as resend_after says
			b.state("4-limit-" + l.name)
			requests := js[int](b, `document.querySelectorAll("#wire li").length`)
			b.click("#resend") // which is off

			b.click("#messages li:nth-child(2) .bubble button") // the code fills itself in
			b.click("#verify")
			b.shows("#title", "Your number is verified")
			b.wantFocus("title")
			if b.text("#banner") != "" {
				t.Error("the banner is still there")
			}
			b.state("5-success-" + l.name)
			verify(t, p.URL, js[string](b, `document.querySelector("#auth-id").value`), second).want(t, 400, "UnknownAuthId")
			if more := js[int](b, `document.querySelectorAll("#wire li").length`) - requests; more != 1 {
				t.Errorf("%d requests after the limit was reached, not the check alone", more)
			}
			if sent := strings.Count(p.stdout.String(), "SMS to +"+number); sent != 2 {
				t.Errorf("%d messages, not 2", sent)
			}
			b.click("#again")
			b.shows("#title", "What is your number?")
			b.wantFocus("recipient")
		})
	}
}

// state checks a state of the page for accessibility, and takes a picture.
func (b *tab) state(name string) {
	b.Helper()
	b.accessible(name)
	b.shot(name)
}

// TestTryItEnds: the page shows a code that is used up, one that expires, and each kind of
// answer for the numbers of its list.
func TestTryItEnds(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	p := serveReady(t, debugEnvironment("RETRIES_ALLOWED=2"))
	b := browser.open(t, looks[0], p.URL)

	b.sendTo("12065550142")
	code := b.lastSMS(1)
	for _, want := range []string{"1 attempt left.", "That was the last attempt.", "There is no live code"} {
		b.tryCode(otherCode(code))
		b.shows("#notice", want)
	}
	b.state("6-used-up-1280-light")
	b.click("#resend")
	b.shows("#attempts", "2 attempts left")
	b.lastSMS(2)

	shown := map[string]bool{}
	for _, number := range app.NumbersToTry() {
		name := number.Phone
		if shown[number.Answer] && name != string(app.ExpiredNumber) {
			continue // TestNumbersToTry has them all
		}
		shown[number.Answer] = true
		if b.text("#title") != "What is your number?" {
			b.click("#change")
		}
		b.click(fmt.Sprintf("[data-number=%q]", name))
		if got := js[string](b, `document.querySelector("#recipient").value.replace(/[^0-9]/g, "")`); got != name {
			t.Fatalf("the field holds %s, not %s", got, name)
		}
		before := js[int](b, `document.querySelectorAll("#wire li").length`)
		b.click("#send")
		if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](fmt.Sprintf(`document.querySelectorAll("#wire li").length > %d`, before))); err != nil {
			t.Fatal(err)
		}
		b.shows("#wire li:nth-child(1) .status", number.Answer)
		switch _, reason, _ := strings.Cut(number.Answer, " "); reason {
		case "":
			b.shows("#title", "Enter the code")
		case "RateLimited", "ServiceUnavailable":
			b.shows("#send", "Text me a code in ")
		case "MessageUnconfirmed":
			b.shows("#notice", "may or may not have been sent")
			b.shows("#title", "Enter the code")
		case "MessageRejected":
			b.shows("#notice", "The message was refused")
			b.wantFocus("recipient")
		}
		if name == string(app.ExpiredNumber) {
			b.shows("#expiry", "Expired")
			b.tryCode(b.lastSMS(1))
			b.shows("#notice", "This code has expired.")
			b.state("7-expired-1280-light")
		}
	}
	for _, wrong := range []string{"12345", kb.Backspace} {
		if b.text("#title") != "What is your number?" {
			b.click("#change")
		}
		b.sendTo(wrong)
		b.shows("#notice", "recipient must be 1 and ten digits")
		b.wantFocus("recipient")
	}
}

// TestTryItByKeyboard signs up without a mouse. Without profiles the form asks for
// neither a profile nor a language.
func TestTryItByKeyboard(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	for _, l := range []look{looks[0], looks[2], {"320-dark", 320, 640, "dark"}} {
		b := browser.open(t, l, serveReady(t, debugEnvironment()).URL)
		press := func(keys string) { t.Helper(); b.run(chromedp.KeyEvent(keys)) }
		tabTo := func(want string) {
			t.Helper()
			press(kb.Tab)
			b.wantFocus(want)
			if !js[bool](b, `(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 })()`) {
				t.Errorf("the focus on %s cannot be seen", want)
			}
		}
		tabTo("Skip to the form")
		press(kb.Enter)
		tabTo("recipient")
		tabTo("For developers")
		press(kb.Enter)
		tabTo("auth-id")
		tabTo("send")
		press(kb.Enter)
		b.shows("#title", "Enter the code")
		b.wantFocus("code")
		code := b.lastSMS(1)
		press(otherCode(code) + kb.Enter)
		b.shows("#notice", "That is not the code. 2 attempts left.")
		b.wantFocus("code")
		tabTo("verify")
		tabTo("resend")
		tabTo("change")
		tabTo("thread")
		tabTo(code)
		press(kb.Enter) // fills it in
		b.wantFocus("code")
		press(kb.Enter)
		b.shows("#title", "Your number is verified")
		b.wantFocus("title")
		b.accessible(l.name)
		tabTo("again")
		press(kb.Enter)
		b.wantFocus("recipient")
	}
}

// TestTryItCurl: a copied command repeats the request of the page.
func TestTryItCurl(t *testing.T) {
	t.Parallel()
	codestest.Installed(t, "curl")
	const key = "a 'quoted' key"
	browser := startChromium(t)
	p := serveReady(t, debugEnvironment(fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(key)))))
	b := browser.open(t, looks[0], p.URL)
	b.allowClipboard()

	b.sendTo("12065550142")
	b.shows("#notice", "A valid API key is required")
	b.wantFocus("api-key")
	b.state("8-key-asked-for-1280-light")
	b.fill("#api-key", key)
	b.click(".more summary")
	b.fill("#auth-id", `it's "42" $HOME`)
	b.click("#send")
	b.shows("#title", "Enter the code")
	contains(t, "the create", b.runCopied(1), `"expires_in":3600`)
	second := b.lastSMS(2)
	b.tryCode(otherCode(second))
	b.shows("#notice", "That is not the code. 2 attempts left.")
	contains(t, "the check", b.runCopied(1), `"reason":"InvalidAuthCode"`, `"attempts_left":1`)
	b.tryCode(second)
	b.shows("#title", "Your number is verified")
	contains(t, "the check", b.text("#wire li .command"), `"recipient":"12065550142"`)
	contains(t, "the check of a used code", b.runCopied(1), `"reason":"UnknownAuthId"`)
	lacks(t, "the page", b.text("body"), key)
}

// runCopied copies a request of the list and runs it in a shell.
func (b *tab) runCopied(n int) string {
	b.Helper()
	selector := fmt.Sprintf("#wire li:nth-child(%d) .copy", n)
	b.click(selector)
	b.shows(selector, "Copied")
	command := js[string](b, `navigator.clipboard.readText()`)
	out, err := exec.Command("sh", "-c", strings.Replace(command, "curl ", "curl -sS ", 1)).Output()
	if err != nil {
		b.Fatalf("%s: %v", command, err)
	}
	return string(out)
}
