package settings

import "encoding/json"

// Load reads the settings into a struct with `json` tags; what the operator left out has the manifest's default.
func Load(into any) error { return json.Unmarshal([]byte(JSON()), into) }
