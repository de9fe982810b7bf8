// One word for bash, whatever it holds. Every name of a file and every parameter in a script goes through here: what
// Nextflow escapes by itself leaves out $, * and [, and all of it inside functions and nested text.
def quoted(value) {
    "'" + "${value}".replace("'", "'\\''") + "'"
}
