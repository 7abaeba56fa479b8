/* Stand-ins for android.media: the microphone says a tone, the loudspeaker keeps what it gets. */
@file:Suppress("UNUSED_PARAMETER", "unused")

package android.media

import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.math.PI
import kotlin.math.sin

class AudioAttributes private constructor() {
    class Builder {
        fun setUsage(usage: Int) = this
        fun setContentType(type: Int) = this
        fun build() = AudioAttributes()
    }

    companion object {
        const val USAGE_VOICE_COMMUNICATION = 2
        const val CONTENT_TYPE_SPEECH = 1
    }
}

class AudioFormat private constructor() {
    class Builder {
        fun setSampleRate(rate: Int) = this
        fun setEncoding(encoding: Int) = this
        fun setChannelMask(mask: Int) = this
        fun build() = AudioFormat()
    }

    companion object {
        const val CHANNEL_IN_MONO = 16
        const val CHANNEL_OUT_MONO = 4
        const val ENCODING_PCM_16BIT = 2
    }
}

object MediaRecorder {
    object AudioSource {
        const val VOICE_COMMUNICATION = 7
    }
}

class AudioRecord(source: Int, private val rate: Int, channel: Int, encoding: Int, size: Int) {
    private var said = 0

    fun startRecording() = Unit

    fun read(samples: ShortArray, offset: Int, count: Int): Int {
        Thread.sleep(count * 1000L / rate)
        for (n in 0 until count) samples[offset + n] = (12_000 * sin(2 * PI * 440 * said++ / rate)).toInt().toShort()
        return count
    }

    fun release() {
        released++
    }

    companion object {
        @Volatile
        var released = 0

        fun getMinBufferSize(rate: Int, channel: Int, encoding: Int) = 1280
    }
}

class AudioTrack private constructor() {
    class Builder {
        fun setAudioAttributes(attributes: AudioAttributes) = this
        fun setAudioFormat(format: AudioFormat) = this
        fun setBufferSizeInBytes(size: Int) = this
        fun build() = AudioTrack()
    }

    fun play() = Unit

    fun write(samples: ShortArray, offset: Int, count: Int): Int {
        heard += samples.copyOfRange(offset, offset + count)
        return count
    }

    fun release() {
        released++
    }

    companion object {
        val heard = ConcurrentLinkedQueue<ShortArray>()

        @Volatile
        var released = 0

        fun getMinBufferSize(rate: Int, channel: Int, encoding: Int) = 1280
    }
}

class AudioFocusRequest private constructor() {
    class Builder(gain: Int) {
        fun setAudioAttributes(attributes: AudioAttributes) = this
        fun setOnAudioFocusChangeListener(listener: AudioManager.OnAudioFocusChangeListener) = this
        fun build() = AudioFocusRequest()
    }
}

class AudioManager {
    fun interface OnAudioFocusChangeListener {
        fun onAudioFocusChange(change: Int)
    }

    var mode = MODE_NORMAL

    fun requestAudioFocus(request: AudioFocusRequest) = AUDIOFOCUS_REQUEST_GRANTED

    fun abandonAudioFocusRequest(request: AudioFocusRequest) = AUDIOFOCUS_REQUEST_GRANTED

    companion object {
        const val AUDIOFOCUS_GAIN_TRANSIENT_EXCLUSIVE = 4
        const val AUDIOFOCUS_REQUEST_GRANTED = 1
        const val MODE_NORMAL = 0
        const val MODE_IN_COMMUNICATION = 3
    }
}
