// The sample sheet and the study, before any work. Problems come back in problems.txt, so that the run ends with the
// message alone. Each section of the study becomes a file of its own: a task that reads one section is not repeated
// when another section changes.
include { quoted } from '../../subworkflows/quoted'
include { kept   } from '../../subworkflows/places'

process CHECK {
    label 'small'
    cache false                // the image may have been built again under its name

    input:
    val project                // '0.2.0 66d6ab1d8ccb6fdf': version and digest of lib/; an image has to hold the same
    val named                  // [study: 'my study.yaml', sheet: 'sheet.csv' or null]: as the user named them; folder: the
                               // sheet's own, whose tables are read where the task sees them
    val recordings             // false where the run begins with a table
    path study, stageAs: 'study/*'
    path sheet, stageAs: 'sheet/*'    // [] without --input

    output:
    path 'sections/*.json', emit: sections, optional: true
    path 'sheet.json', emit: rows, optional: true
    path 'labels.txt', emit: labels, optional: true        // name of the study's label set: physionet2021
    path 'problems.txt', emit: problems
    path 'versions.yml', emit: versions, optional: true    // what the tasks see

    script:
    checking(task.ext.code, project, named, recordings, study, sheet)

    stub:
    checking(task.ext.code, project, named, recordings, study, sheet)
}

// The file of one section of the study, placed by its content: unchanged, it leaves finished tasks alone.
def section(files, name) {
    files.filter { each -> each.baseName == name }.map { each -> kept(each.name, each.text) }.first()
}

// A stub run checks too. The code comes first: what an older image says of the study ("unknown key") may come from its
// age, and the commands of a container are the image's own.
def checking(code, project, named, recordings, study, sheet) {
    """
    : ${code}
    found=\$(python3 -c 'import ecgscale; from ecgscale.machine.provenance import code_digest; print(ecgscale.__version__, code_digest())')
    if [ "\$found" = ${quoted(project)} ]; then
        ecg-check --study ${quoted(study)} --study-name=${quoted(named.study)} \\
            ${sheet ? '--sheet ' + quoted(sheet) + ' --sheet-name=' + quoted(named.sheet) + ' --sheet-folder=' + quoted(named.folder) : ''} \\
            ${recordings ? '' : '--no-recordings'} --out . --problems problems.txt
    else
        echo "container image: it holds ecgscale \${found/ /, code }, and this folder is ecgscale" ${quoted(project.replace(' ', ', code ') + '.')} \\
            "Build the image again (make images; make sif), or take the release that made it" > problems.txt
    fi
    """
}
