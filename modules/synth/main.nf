process SYNTH {
    tag "${records} records"
    label 'cpu'

    input:
    val records
    val seed

    output:
    path 'corpus'              // <source>/**/*.{hea,mat}, sheet.csv, patients

    script:
    """
    : ${task.ext.code}
    ecg-synth --records ${records} --seed ${seed} --out corpus --cpus ${task.cpus}
    """

    stub:
    """
    mkdir -p corpus/georgia/g1 && touch corpus/georgia/g1/S00001.hea
    printf 'source,path,patients\\ngeorgia,georgia,\\n' > corpus/sheet.csv
    """
}
