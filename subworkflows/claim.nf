// One run at a time writes into a results folder: two would mix their files. The lock belongs to the process, so
// whatever ends a run lets go of it.
import groovy.transform.Field

@Field static List held = []    // open for as long as this process lives

// '' when the folder is ours now, else what to do about the run that has it. A bucket is not locked.
def claim(folder) {
    folder = file(folder)
    if (folder.fileSystem.provider().scheme != 'file') return ''
    folder.resolve('pipeline_info').mkdirs()
    def lock = new RandomAccessFile(folder.resolve('pipeline_info/.lock').toFile(), 'rw')
    if (lock.channel.tryLock()) {
        def here = java.net.InetAddress.localHost.hostName
        lock.length = 0
        lock.writeBytes("process ${ProcessHandle.current().pid()} on ${here}, started ${new Date().format('yyyy-MM-dd HH:mm:ss')}")
        held << lock
        return ''
    }
    "--outdir ${folder}: another run writes there (${lock.readLine()}). Wait until it has ended, or give this one another --outdir"
}
