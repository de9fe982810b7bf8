// One run at a time writes into a results folder: two would mix their files. The lock belongs to the process, so
// whatever ends a run lets go of it.
include { place } from './places'

// The lock, to be closed when the run has ended; null for a bucket, which is not locked. A folder that another run
// has ends this one with what to do about it.
def claim(folder) {
    def top = place(folder)
    if (top.fileSystem.provider().scheme != 'file') {
        return null
    }
    def here = top.resolve('pipeline_info')
    if (!here.mkdirs() && !here.isDirectory()) {
        error "--outdir ${top.toAbsolutePath()}: this folder cannot be made. Is there room, and may you write there?"
    }
    def lock = new RandomAccessFile(here.resolve('.lock').toFile(), 'rw')
    if (!lock.channel.tryLock()) {
        error "--outdir ${top}: another run writes there (${lock.readLine()}). Wait until it has ended, or give this one another --outdir"
    }
    lock.length = 0
    lock.writeBytes("process ${ProcessHandle.current().pid()} on ${java.net.InetAddress.localHost.hostName}, started ${new Date().format('yyyy-MM-dd HH:mm:ss')}")
    lock
}
