// Peers prints figures of client-go and controller-runtime as one line of JSON. kubewright-benches calls it:
//
//	peers client-go|controller-runtime store|queue|controller foo|pod URL OBJECTS default|both
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"net/http"
)

type figures map[string]float64

const (
	perNamespace = 1000
	perShard     = 100
	label        = "bench.kubewright.dev/shard"
	span         = 700 * time.Millisecond
	events       = 8000
	eventsRate   = 1000
)

func main() {
	if len(os.Args) != 7 {
		fatal(fmt.Errorf("not a call that the bench makes: %v", os.Args[1:]))
	}
	who, what, kind, url, trim := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[6]
	objects, err := strconv.Atoi(os.Args[5])
	if err != nil {
		fatal(err)
	}
	var out figures
	switch path.Join(who, what) {
	case "client-go/store":
		out, err = store(kind, url, objects, trim == "both")
	case "client-go/queue":
		out = queue(objects)
	case "controller-runtime/queue":
		out = priorityQueue(objects)
	case "controller-runtime/controller":
		out, err = controller(url, objects)
	default:
		err = fmt.Errorf("no measure of that name: %s %s", who, what)
	}
	if err != nil {
		fatal(err)
	}
	text, err := json.Marshal(out)
	if err != nil {
		fatal(err)
	}
	fmt.Println(string(text))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func objectNamespace(n int) string { return fmt.Sprintf("team-%04d", n/perNamespace) }
func objectName(n int) string      { return fmt.Sprintf("object-%07d", n) }
func objectShard(n int) string     { return fmt.Sprintf("shard-%05d", n/perShard) }

// The same order as in the Rust children.
func scattered(at, of int) int { return int(uint64(at) * 2654435761 % uint64(of)) }

func status(name string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, name); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				fatal(err)
			}
			return kib * 1024
		}
	}
	fatal(fmt.Errorf("/proc/self/status does not say %s", name))
	return 0
}

func rss() float64 { return status("VmRSS:") }

func peak() float64 { return status("VmHWM:") / (1 << 20) }

func cpu() float64 {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		fatal(err)
	}
	rest := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err1 := strconv.ParseFloat(rest[11], 64)
	system, err2 := strconv.ParseFloat(rest[12], 64)
	if err1 != nil || err2 != nil {
		fatal(fmt.Errorf("/proc/self/stat is not understood"))
	}
	return (user + system) / 100
}

// settle gives back to the system what is garbage.
func settle() {
	runtime.GC()
	debug.FreeOSMemory()
	time.Sleep(2 * time.Second)
	debug.FreeOSMemory()
}

func rate(operation func(int)) float64 {
	done := 0
	begun := time.Now()
	for time.Since(begun) < span {
		for range 32 {
			operation(done)
			done++
		}
	}
	return float64(done) / time.Since(begun).Seconds()
}

func contended(read func(int), write func(int)) (float64, float64) {
	var stop atomic.Bool
	var reads atomic.Int64
	var readers sync.WaitGroup
	begun := time.Now()
	for thread := range 2 {
		readers.Go(func() {
			done := 0
			for !stop.Load() {
				for range 32 {
					read(done*2 + thread)
					done++
				}
			}
			reads.Add(int64(done))
		})
	}
	writes := 0
	for time.Since(begun) < span {
		write(writes)
		writes++
	}
	stop.Store(true)
	readers.Wait()
	seconds := time.Since(begun).Seconds()
	return float64(reads.Load()) / seconds, float64(writes) / seconds
}

func percentiles(millis []float64, out figures) {
	sort.Float64s(millis)
	for name, share := range map[string]float64{"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99} {
		if len(millis) > 0 {
			out[name] = millis[min(int(float64(len(millis))*share), len(millis)-1)]
		}
	}
}

func until(isSo func() bool) error {
	begun := time.Now()
	for !isSo() {
		if time.Since(begun) > 5*time.Minute {
			return fmt.Errorf("what was waited for did not come")
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

func askForEvents(url string, count, rate int) {
	response, err := http.Get(fmt.Sprintf("%s/events?count=%d&rate=%d", url, count, rate))
	if err != nil {
		fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		fatal(err)
	}
}
