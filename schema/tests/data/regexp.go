// Answers patterns as Go does: reads `["pattern", "text", …]` a line, writes a line of regexp.jsonl.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var in []string
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			panic(err)
		}
		answer := map[string]any{"p": in[0]}
		if re, err := regexp.Compile(in[0]); err != nil {
			answer["e"] = err.Error()
		} else {
			found, missed := []string{}, []string{}
			for _, text := range in[1:] {
				if re.MatchString(text) {
					found = append(found, text)
				} else {
					missed = append(missed, text)
				}
			}
			answer["m"], answer["n"] = found, missed
		}
		if err := out.Encode(answer); err != nil {
			panic(err)
		}
	}
}
