/* Runs what can be run of docs/android.md: sound through a call to the echo, and the authorities of a device. */

import android.media.AudioRecord
import android.media.AudioTrack
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.ewebrtc.Gateway
import org.ewebrtc.Phone
import org.ewebrtc.PhoneSettings
import java.io.File
import java.io.InputStream
import java.io.OutputStream
import java.security.Key
import java.security.KeyStore
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.Security
import java.security.cert.Certificate
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import kotlin.math.PI
import kotlin.math.cos
import kotlin.math.sin
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** The authorities of this Java under the name that they have on Android. */
class Authorities : KeyStoreSpi() {
    private val store: KeyStore = KeyStore.getInstance(File(System.getProperty("java.home"), "lib/security/cacerts"), null as CharArray?)

    override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit
    override fun engineAliases(): Enumeration<String> = Collections.enumeration(store.aliases().toList())
    override fun engineGetCertificate(alias: String?): Certificate? = store.getCertificate(alias)
    override fun engineSize() = store.size()
    override fun engineContainsAlias(alias: String?) = store.containsAlias(alias)
    override fun engineIsCertificateEntry(alias: String?) = true
    override fun engineIsKeyEntry(alias: String?) = false
    override fun engineGetCreationDate(alias: String?): Date? = null
    override fun engineGetCertificateAlias(certificate: Certificate?): String? = null
    override fun engineGetCertificateChain(alias: String?): Array<Certificate>? = null
    override fun engineGetKey(alias: String?, password: CharArray?): Key? = null
    override fun engineSetKeyEntry(alias: String?, key: Key?, password: CharArray?, chain: Array<out Certificate>?) = error("")
    override fun engineSetKeyEntry(alias: String?, key: ByteArray?, chain: Array<out Certificate>?) = error("")
    override fun engineSetCertificateEntry(alias: String?, certificate: Certificate?) = error("")
    override fun engineDeleteEntry(alias: String?) = error("")
    override fun engineStore(stream: OutputStream?, password: CharArray?) = error("")
}

private const val RATE = 16_000

/** Share of the power of a fifth of a second that is at 440 Hz. */
private fun share(samples: List<Short>): Double {
    val angles = samples.indices.map { 2 * PI * 440 * it / RATE }
    val energy = samples.sumOf { it.toDouble() * it }
    val a = samples.zip(angles).sumOf { (sample, angle) -> sample * cos(angle) }
    val b = samples.zip(angles).sumOf { (sample, angle) -> sample * sin(angle) }
    return if (energy == 0.0) 0.0 else 2 * (a * a + b * b) / (energy * samples.size)
}

fun main() = runBlocking(Dispatchers.Default) {
    Security.addProvider(object : Provider("Android", "1", "") {
        init {
            put("KeyStore.AndroidCAStore", Authorities::class.java.name)
        }
    })
    val roots = androidRoots()
    check(roots.isNotEmpty()) { "no authorities" }
    Gateway().use { gateway ->
        val settings = PhoneSettings(localMedia = "pcm", remoteMedia = "pcm", pcmRate = RATE, rootCertificates = roots)
        Phone(gateway, settings).use { phone ->
            phone.login(gateway.devToken("alice"))
            val call = phone.dial("echo")
            call.connected()
            val carrying = launch { carryAudio(call) }
            withTimeout(30.seconds) {
                while (share(AudioTrack.heard.flatMap { it.asList() }.takeLast(RATE / 5)) < 0.8) delay(50.milliseconds)
                call.hangup()
                carrying.join()
            }
            check(AudioRecord.released == 1 && AudioTrack.released == 1) { "microphone and loudspeaker are kept" }
        }
    }
    println("android: ${roots.size} authorities, and the microphone's tone came back")
}
