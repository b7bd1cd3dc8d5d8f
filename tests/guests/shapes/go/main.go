// Echoes values of every kind.
package main

import _ "shapes/bindings/wit_exports"

func main() {}
