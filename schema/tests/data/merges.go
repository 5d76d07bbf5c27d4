// Writes merges.jsonl: random sequences of applies and updates, with what structured-merge-diff makes of each step.
// Run as `go run . FILE` in a module that requires sigs.k8s.io/structured-merge-diff/v6 v6.3.3.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

var parser = func() *typed.Parser {
	p, err := typed.NewParser(`types:
- name: root
  map:
    fields:
    - name: count
      type: {scalar: numeric}
    - name: text
      type: {scalar: string}
    - name: set
      type: {list: {elementRelationship: associative, elementType: {scalar: string}}}
    - name: ports
      type:
        list:
          elementRelationship: associative
          keys: [port, protocol]
          elementType:
            map:
              fields:
              - {name: port, type: {scalar: numeric}}
              - {name: protocol, type: {scalar: string}, default: TCP}
              - {name: name, type: {scalar: string}}
              - name: opts
                type: {map: {elementType: {scalar: string}}}
    - name: list
      type: {list: {elementRelationship: atomic, elementType: {scalar: numeric}}}
    - name: atom
      type: {map: {elementRelationship: atomic, elementType: {scalar: string}}}
    - name: map
      type: {map: {elementType: {scalar: string}}}
    - name: deep
      type:
        map:
          elementType:
            map:
              fields:
              - {name: x, type: {scalar: numeric}}
              - {name: "y", type: {scalar: numeric}}
    - name: free
      type: {namedType: __untyped_deduced_}
    - name: apiVersion
      type: {scalar: string}
- name: __untyped_atomic_
  scalar: untyped
  list: {elementType: {namedType: __untyped_atomic_}, elementRelationship: atomic}
  map: {elementType: {namedType: __untyped_atomic_}, elementRelationship: atomic}
- name: __untyped_deduced_
  scalar: untyped
  list: {elementType: {namedType: __untyped_atomic_}, elementRelationship: atomic}
  map: {elementType: {namedType: __untyped_deduced_}, elementRelationship: separable}
`)
	if err != nil {
		panic(err)
	}
	return p
}()
var rootT = parser.Type("root")

type same struct{}

func (same) Convert(o *typed.TypedValue, v fieldpath.APIVersion) (*typed.TypedValue, error) {
	return o, nil
}
func (same) IsMissingVersionError(error) bool { return false }

type m = map[string]interface{}

func pick(r *rand.Rand, xs ...interface{}) interface{} { return xs[r.Intn(len(xs))] }
func free(r *rand.Rand, d int) interface{} {
	switch r.Intn(6) {
	case 0:
		return []interface{}{float64(r.Intn(2)), m{"q": "r"}}
	case 1:
		return nil
	case 2:
		return "s"
	}
	if d == 0 {
		return float64(r.Intn(3))
	}
	o := m{}
	for i := 0; i < r.Intn(3); i++ {
		o[pick(r, "a", "b", "c").(string)] = free(r, d-1)
	}
	return o
}
func gen(r *rand.Rand, dup bool) m {
	o := m{"apiVersion": "v1"}
	on := func() bool { return r.Intn(3) == 0 }
	if on() {
		o["count"] = pick(r, float64(1), float64(2), nil)
	}
	if on() {
		o["text"] = pick(r, "a", "b", nil)
	}
	if on() {
		l := []interface{}{}
		for i, n := 0, r.Intn(5); i < n; i++ {
			l = append(l, pick(r, "a", "b", "c", "<d>"))
		}
		o["set"] = l
		if r.Intn(8) == 0 {
			o["set"] = nil
		}
	}
	if on() {
		l := []interface{}{}
		for i, n := 0, r.Intn(4); i < n; i++ {
			p := m{"port": float64(r.Intn(3))}
			if on() {
				p["protocol"] = pick(r, "TCP", "UDP")
			}
			if on() {
				p["name"] = pick(r, "n", "o")
			}
			if on() {
				p["opts"] = pick(r, m{}, m{"a": "1"}, m{"b": "1"})
			}
			l = append(l, p)
		}
		o["ports"] = l
	}
	if on() {
		o["list"] = pick(r, []interface{}{}, []interface{}{float64(1)}, []interface{}{float64(1), float64(2)}, nil)
	}
	if on() {
		o["atom"] = pick(r, m{}, m{"a": "1"}, m{"a": "2"}, m{"b": "1"}, nil)
	}
	if on() {
		o["map"] = pick(r, m{}, m{"a": "1"}, m{"a": "2"}, m{"a": "1", "b": "1"}, nil)
	}
	if on() {
		o["deep"] = pick(r, m{}, m{"k": m{}}, m{"k": m{"x": float64(1)}}, m{"k": m{"y": float64(1)}, "l": m{"x": float64(1)}}, m{"k": nil})
	}
	if on() {
		o["free"] = free(r, 2)
	}
	return o
}
func set(s *fieldpath.Set) json.RawMessage {
	b, err := s.ToJSON()
	if err != nil {
		panic(err)
	}
	return b
}
func managers(ms fieldpath.ManagedFields) m {
	out := m{}
	for k, v := range ms {
		out[k] = m{"applied": v.Applied(), "set": set(v.Set())}
	}
	return out
}
func main() {
	r := rand.New(rand.NewSource(7))
	f, _ := os.Create(os.Args[1])
	defer f.Close()
	enc := json.NewEncoder(f)
	for i := 0; i < 130; i++ {
		up := (&merge.UpdaterBuilder{Converter: same{}, IgnoreFilter: map[fieldpath.APIVersion]fieldpath.Filter{"v1": fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("deep", "l")))}}).BuildUpdater()
		live, _ := rootT.FromUnstructured(m{"apiVersion": "v1"}, typed.AllowDuplicates)
		ms := fieldpath.ManagedFields{}
		steps := []m{}
		for j := 0; j < 5; j++ {
			obj := gen(r, false)
			who := fmt.Sprintf("m%d", r.Intn(3))
			op := pick(r, "apply", "apply", "force", "update").(string)
			st := m{"op": op, "who": who, "object": json.RawMessage(mustJSON(obj))}
			var opts []typed.ValidationOptions
			if op == "update" {
				opts = append(opts, typed.AllowDuplicates)
			}
			tv, err := rootT.FromUnstructured(obj, opts...)
			if err != nil {
				st["invalid"] = err.Error()
				steps = append(steps, st)
				continue
			}
			fs, err := tv.ToFieldSet()
			if err != nil {
				panic(err)
			}
			st["fields"] = set(fs)
			cp := ms.Copy()
			if op == "update" {
				who += "u"
				c, err := live.Compare(tv)
				if err != nil {
					panic(err)
				}
				st["added"], st["modified"], st["removed"] = set(c.Added), set(c.Modified), set(c.Removed)
				_, nm, err := up.Update(live, tv, "v1", cp, who)
				if err != nil {
					panic(err)
				}
				ms = nm
				live = tv
			} else {
				nl, nm, err := up.Apply(live, tv, "v1", cp, who, op == "force")
				if c, ok := err.(merge.Conflicts); ok {
					st["conflicts"] = set(c.ToSet())
					steps = append(steps, st)
					continue
				}
				if err != nil {
					panic(err)
				}
				ms = nm
				st["noop"] = nl == nil
				if nl != nil {
					live = nl
				}
			}
			st["live"] = json.RawMessage(mustJSON(live.AsValue().Unstructured()))
			st["managers"] = managers(ms)
			if mv, ok := ms[who]; ok {
				st["without"] = json.RawMessage(mustJSON(live.RemoveItems(mv.Set()).AsValue().Unstructured()))
			}
			steps = append(steps, st)
		}
		enc.Encode(m{"steps": steps})
	}
}
func mustJSON(v interface{}) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
