package browse

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// chromium is a real browser, with as many people as one likes.
type chromium struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

// act is one thing that somebody does in it.
type act struct {
	Do     string         `json:"do"`
	Who    string         `json:"who"`
	Tab    string         `json:"tab,omitempty"`
	URL    string         `json:"url,omitempty"`
	At     string         `json:"at,omitempty"`
	Text   string         `json:"text,omitempty"`
	Wait   int            `json:"wait,omitempty"` // ms
	Cookie map[string]any `json:"cookie,omitempty"`
}

// shown is what they see then.
type shown struct {
	URL, Text, Error string
	Status           int
	Value            json.RawMessage
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := node("driver.mjs")
	cmd.Env = append(os.Environ(), "CHROMIUM="+path)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	launch(t, cmd)
	return &chromium{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

// try does something, and says how it went.
func (c *chromium) try(a act) shown {
	c.t.Helper()
	line, err := json.Marshal(a)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		c.t.Fatalf("the browser is gone: %v", err)
	}
	answer, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the browser is gone: %v", err)
	}
	var s shown
	if err := json.Unmarshal([]byte(answer), &s); err != nil {
		c.t.Fatalf("%s: %v", answer, err)
	}
	return s
}

// do does something that must work.
func (c *chromium) do(a act) shown {
	c.t.Helper()
	s := c.try(a)
	if s.Error != "" {
		c.t.Fatalf("%+v: %s\nat %s:\n%s", a, s.Error, s.URL, s.Text)
	}
	return s
}

func (c *chromium) open(who, url string) shown {
	c.t.Helper()
	return c.do(act{Do: "open", Who: who, URL: url})
}

func (c *chromium) fill(who, name, text string) {
	c.t.Helper()
	c.do(act{Do: "fill", Who: who, At: "[name=" + name + "]", Text: text})
}

func (c *chromium) click(who, at string) shown {
	c.t.Helper()
	return c.do(act{Do: "click", Who: who, At: at})
}

func (c *chromium) sees(who, text string) shown {
	c.t.Helper()
	return c.do(act{Do: "see", Who: who, Text: text})
}

// signIn fills in the sign-in page that is open.
func (c *chromium) signIn(who, as string) shown {
	c.t.Helper()
	c.fill(who, "email", as+"@shop.example")
	c.fill(who, "passphrase", passphrase(as))
	return c.click(who, "main button")
}

func has(t *testing.T, s shown, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.Text, text) && !strings.Contains(s.URL, text) {
			t.Errorf("no %q at %s:\n%s", text, s.URL, s.Text)
		}
	}
}
