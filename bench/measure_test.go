package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"testing"
	"time"
)

// full says that a run may take minutes: BENCH_FULL=1. Otherwise everything is
// small enough to be run briefly; each benchmark prints its size.
func full() bool { return os.Getenv("BENCH_FULL") == "1" }

// at is a quantile; the caller's slice is not changed.
func at(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func median(v []float64) float64 { return at(v, 0.5) }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// writeHeap keeps a heap profile where BENCH_HEAP says.
func writeHeap(b *testing.B) {
	path := os.Getenv("BENCH_HEAP")
	if path == "" {
		return
	}
	f, err := os.Create(path)
	must(b, err)
	must(b, pprof.Lookup("heap").WriteTo(f, 0))
	must(b, f.Close())
}

// serverTLS is a throw-away certificate.
func serverTLS(b *testing.B) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	t := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	must(b, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
