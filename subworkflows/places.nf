// Files and folders as people name them: `[v2]`, (1), o'neil and names with umlauts are names, never patterns. Scripts keep to
// ASCII: without a UTF-8 locale, as in a bare container, Java 17 reads no other.

// The path itself, where file() would look for what matches it
def place(text) {
    file(text.toString(), glob: false)
}

// All files of a folder, whatever its name, that match a pattern: below('/data/a[1]', '**.hea')
def below(folder, pattern) {
    files("${folder.toString().replaceAll('[\\\\*?\\[\\]{}]') { sign -> '\\' + sign }}/${pattern}")
}

// A file of the work folder by its content: written once, so that -resume knows an unchanged one among changed ones.
// collectFile would write all of them anew, and its sorting complains where a run is ended by what CHECK found.
def kept(name, text) {
    def made = workflow.workDir.resolve("kept/${text.md5()}/${name}")      // a path of text would lose s3://
    made.exists() && made.text == text ? made : whole(made, text)
}

// A file that is written whole or not at all
def whole(path, text) {
    path.parent.mkdirs()
    def part = path.resolveSibling("${path.name}.part")
    part.text = text
    path.delete()
    part.moveTo(path)
    path
}

// Why a task cannot have this path, or ''. Nextflow escapes blanks, quotes and parentheses in its scripts; bash still
// expands the rest, and a path that matches others than itself would stand for them.
def obstacle(path) {
    def name = path.toAbsolutePath().toString()
    if (!path.exists()) {
        return "${path} does not exist"
    }
    if (name =~ '[\\p{Cntrl}${}]') {
        return "${path}: a name with \$, { or a control character cannot be handed to a task. Rename it"
    }
    def others = name =~ '[*?\\[]' ? files(name, type: 'any').findAll { found -> found.toString() != name } : []
    others ? "${path}: bash would take ${others[0]} for it. Rename one of them" : ''
}

// A file or folder that a parameter names, and that a task can have
def given(parameter, path) {
    def reason = obstacle(path)
    if (reason) {
        error "${parameter}: ${reason}"
    }
    path
}

// A folder that a parameter names, made where it is not there yet
def ensured(parameter, folder) {
    if (!folder.mkdirs() && folder.fileSystem.provider().scheme == 'file' && !folder.isDirectory()) {
        error "${parameter} ${folder.toAbsolutePath()}: this folder cannot be made. Is there room, and may you write there?"
    }
    folder
}

// Where the project and its tasks stand. Nextflow writes the project's folder between double quotes, as a part of PATH.
def grounds() {
    if (projectDir.toString() =~ '["`:]') {
        error "the project's folder ${projectDir}: a name with a double quote, ` or : cannot be on PATH. Rename or move it"
    }
    given("the project's folder", place(projectDir))
    given('the work folder', ensured('-work-dir', workflow.workDir))
    // a scheduler's nodes see what this machine sees
    if (!workflow.containerEngine && !place("${projectDir}/.venv/bin/python3").exists()) {
        def tried = ['python3', '-c', 'import jsonschema, matplotlib, pandas, scipy, yaml'].execute()
        tried.waitForOrKill(20000)
        if (tried.exitValue() != 0) {
            error "No Python environment: ${projectDir}/.venv is missing, and python3 lacks the packages. " +
                'Make it there, by: make .venv/.ready; or take containers, as in -profile docker, podman, apptainer or singularity; ' +
                'or start Nextflow where ecgscale[export,bench] is installed by pip'
        }
    }
}
