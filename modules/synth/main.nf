include { quoted } from '../../subworkflows/quoted'

process SYNTH {
    tag "${records} records"
    label 'cpu'

    input:
    val records
    val seed
    val difficulty             // 0 to 1

    output:
    path 'corpus'              // <source>/**/*.{hea,mat}, sheet.csv, patients

    script:
    """
    : ${task.ext.code}
    ecg-synth --records ${quoted(records)} --seed ${quoted(seed)} --difficulty ${quoted(difficulty)} --out corpus --cpus ${task.cpus}
    """

    stub:
    """
    mkdir -p corpus/georgia/g1 && touch corpus/georgia/g1/S00001.hea
    printf 'source,path,patients\\ngeorgia,georgia,\\n' > corpus/sheet.csv
    """
}
