package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Login is a sign-in that was kept.
type Login struct {
	Token     string    `json:"token"`
	Name      string    `json:"name,omitempty"`
	Email     string    `json:"email,omitempty"`
	Until     time.Time `json:"until,omitzero"`
	CA        string    `json:"ca,omitempty"` // PEM of the only authorities to trust
	PlainHTTP bool      `json:"plain_http,omitempty"`
}

// Credentials are the sign-ins of one account of this machine, by server.
type Credentials struct {
	Current string           `json:"current,omitempty"`
	Servers map[string]Login `json:"servers"`
}

// ConfigDir is where the client keeps its files: CURFEW_CONFIG_DIR, else
// XDG_CONFIG_HOME/curfew, else ~/.config/curfew.
func ConfigDir(env func(string) string) (string, error) {
	if dir := env("CURFEW_CONFIG_DIR"); dir != "" {
		return dir, nil
	}
	if dir := env("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "curfew"), nil
	}
	if home := env("HOME"); home != "" {
		return filepath.Join(home, ".config", "curfew"), nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration folder: %w", err)
	}
	return filepath.Join(dir, "curfew"), nil
}

const credentialsFile = "credentials.json"

// ReadCredentials reads what is kept in dir; nothing there is no error. A file
// that others can read is refused: what is in it may be theirs too.
func ReadCredentials(dir string) (Credentials, error) {
	c := Credentials{Servers: map[string]Login{}}
	path := filepath.Join(dir, credentialsFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("open the credentials: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return c, fmt.Errorf("look at the credentials: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return c, &Failure{Fault{
			Code: "credentials.open", Title: "Not used", Status: 401,
			Detail: fmt.Sprintf("others on this machine can read %s (mode %04o)", path, info.Mode().Perm()),
			Fix:    []Fix{{Say: "close it, then sign in again everywhere", Run: "curfew logout --everywhere"}, {Run: "chmod 600 " + path}},
		}}
	}
	if err := json.NewDecoder(f).Decode(&c); err != nil {
		return c, fmt.Errorf("read %s: %w", path, err)
	}
	if c.Servers == nil {
		c.Servers = map[string]Login{}
	}
	return c, nil
}

// WriteCredentials keeps c in dir.
func WriteCredentials(dir string, c Credentials) error {
	return WritePrivate(dir, credentialsFile, c)
}

// WritePrivate writes v as JSON to a file that only this account can read,
// wholly or not at all.
func WritePrivate(dir, name string, v any) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the configuration folder: %w", err)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	f, err := os.CreateTemp(dir, "."+name+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
