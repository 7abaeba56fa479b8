/*
 * The log of the library: levels by module, loggers, and a function that gets the lines.
 *
 * Owns: `LogManager`, `Logger`, `LogLine`, `LogLevel`. Lives on: any thread; the function runs on a thread of the library of its
 * own, which is no phone's. Must not import: the phone.
 */
package org.ewebrtc

import kotlinx.serialization.json.JsonElement
import org.ewebrtc.ffi.LogListener
import java.util.logging.Level
import org.ewebrtc.ffi.LogLine as NativeLine
import org.ewebrtc.ffi.Logger as NativeLogger
import java.util.logging.Logger as JavaLogger

/** How much is written; each level includes those before it. */
public enum class LogLevel {
    /** Nothing. */
    OFF,

    /** What has failed. */
    ERROR,

    /** What is strange. */
    WARN,

    /** What is good to know. */
    INFO,

    /** What helps to find a fault. */
    DEBUG,

    /** Every step. */
    TRACE,
    ;

    internal val word: String get() = name.lowercase()

    internal companion object {
        fun of(word: String): LogLevel = entries.first { it.word == word }
    }
}

/**
 * A line of the log.
 *
 * @property level How much it matters.
 * @property module The logger that wrote it.
 * @property message What was written; may have several lines.
 * @property file Source file, where known.
 * @property line Line in that file.
 */
public data class LogLine(
    val level: LogLevel,
    val module: String,
    val message: String,
    val file: String?,
    val line: Int?,
) {
    /** As one text, with the level in front and the place behind. */
    override fun toString(): String {
        val tag = if (level == LogLevel.WARN) "WARNING" else level.name
        val place = if (file == null) "" else if (line == null) " [$file]" else " [$file:$line]"
        return "[$tag] $message$place"
    }
}

/** What the library calls. */
private class LineListener(private val callback: (LogLine) -> Unit) : LogListener {
    override fun onLine(line: NativeLine) {
        try {
            callback(LogLine(LogLevel.of(line.level), line.module, line.text, line.file, line.line?.toInt()))
        } catch (@Suppress("TooGenericExceptionCaught") error: Throwable) {
            // As of every thread, and the next line comes as usual.
            val thread = Thread.currentThread()
            thread.uncaughtExceptionHandler.uncaughtException(thread, error)
        }
    }
}

/** A logger: a name, a level, and lines that are written when the level includes them. Made by [LogManager]. */
public class Logger internal constructor(private val native: NativeLogger) {
    /** Its name, as in [LogManager.loggers]. */
    public val name: String = native.name()

    /** Its level; setting it has no effect after the logger was deleted. */
    public var level: LogLevel
        get() = LogLevel.of(native.level())
        set(value) = translated { native.setLevel(value.word) }

    /** Whether an application has made it. */
    public val isCustom: Boolean get() = native.isCustom()

    /** Writes an error. What is no text is written as `toString` makes one of it. */
    public fun logError(message: Any?): Unit = write(LogLevel.ERROR, message)

    /** Writes a warning. */
    public fun logWarning(message: Any?): Unit = write(LogLevel.WARN, message)

    /** Writes what is good to know. */
    public fun logInfo(message: Any?): Unit = write(LogLevel.INFO, message)

    /** Writes what helps to find a fault. */
    public fun logDebug(message: Any?): Unit = write(LogLevel.DEBUG, message)

    /** Writes a step, with `data` as JSON on a second line. */
    public fun logTrace(message: Any?, data: JsonElement? = null): Unit =
        write(LogLevel.TRACE, if (data == null) message else "$message\n$data")

    private fun write(level: LogLevel, message: Any?) {
        // The first frame that is not of this class: where the program has written it.
        val frame = Throwable().stackTrace.firstOrNull { it.className != Logger::class.java.name }
        translated { native.write(level.word, text(message.toString()), frame?.fileName, frame?.lineNumber?.takeIf { it > 0 }?.toUInt()) }
    }

    /** Name and level. */
    override fun toString(): String = "Logger($name $level)"
}

/**
 * The log of the whole process. Its functions may be called on any thread.
 *
 * The modules of the library log at `WARN` until told otherwise, `call` and `session` at `INFO`, and `webrtc`, the crates beneath,
 * not at all. Lines go nowhere until there is a function for them. No token is ever written, and no address, number or IP
 * address at `INFO` and above; `webrtc` is the exception: its lines may contain packets.
 */
public object LogManager {
    /**
     * Sets the function that gets the lines, in place of the one before, which gets what is on its way; null: lines go nowhere. It
     * is called with one line at a time, on a thread of the library of its own, so it never delays a call; of a flood that it does not
     * follow the newest lines are left out and counted in a line of their own. What is logged inside it is left out. What it
     * throws goes to the thread's handler of uncaught exceptions.
     *
     * @throws ClosedException at the end of the process.
     */
    public fun setCallback(callback: ((LogLine) -> Unit)?) {
        Process.attend()
        translated { org.ewebrtc.ffi.setLogListener(callback?.let(::LineListener)) }
    }

    /**
     * Gives the lines to `java.util.logging`: those of the module `call` to the logger `ewebrtc.call`, and so on. What is set here
     * decides what is written at all, `java.util.logging` what becomes of it.
     *
     * @throws ClosedException at the end of the process.
     */
    public fun useJavaLogging(): Unit = setCallback { line ->
        val level = when (line.level) {
            LogLevel.OFF, LogLevel.ERROR -> Level.SEVERE
            LogLevel.WARN -> Level.WARNING
            LogLevel.INFO -> Level.INFO
            LogLevel.DEBUG -> Level.FINE
            LogLevel.TRACE -> Level.FINEST
        }
        JavaLogger.getLogger("ewebrtc.${line.module}").log(level, line.message)
    }

    /** Levels that lines can have, least first. */
    public val logLevels: List<LogLevel> get() = org.ewebrtc.ffi.logLevels().map { LogLevel.of(it) }

    /** The level that was last set for all loggers, at first `WARN`. Setting it leaves out `webrtc`. */
    public var globalLogLevel: LogLevel
        get() = LogLevel.of(org.ewebrtc.ffi.globalLogLevel())
        set(value) = translated { org.ewebrtc.ffi.setGlobalLogLevel(value.word) }

    /** The level at which loggers begin that have no default of their own. */
    public val defaultLogLevel: LogLevel get() = LogLevel.of(org.ewebrtc.ffi.defaultLogLevel())

    /** Loggers that begin at another level. */
    public val moduleDefaults: Map<String, LogLevel>
        get() = org.ewebrtc.ffi.moduleDefaults().mapValues { LogLevel.of(it.value) }

    /** Level of every logger. */
    public val moduleLogLevels: Map<String, LogLevel>
        get() = org.ewebrtc.ffi.moduleLogLevels().mapValues { LogLevel.of(it.value) }

    /** Brings every logger and the global level back to their defaults. */
    public fun resetLogLevels(): Unit = org.ewebrtc.ffi.resetLogLevels()

    /** Names of all loggers. */
    public val loggers: List<String> get() = org.ewebrtc.ffi.loggers()

    /** The logger of this name. Throws [ConfigException] when there is none. */
    public fun getLogger(module: String): Logger = Logger(translated { org.ewebrtc.ffi.getLogger(module) })

    /**
     * A logger of the application, at the level `WARN`.
     *
     * @throws ConfigException when the name is empty, longer than 64 bytes, has control characters or is that of another logger,
     *   or when there are 1024 of them.
     */
    public fun createCustomLogger(module: String): Logger =
        Logger(translated { org.ewebrtc.ffi.createCustomLogger(module) })

    /**
     * Deletes a logger of the application. Whoever still holds it writes nothing any more.
     *
     * @throws ConfigException when there is none of this name, or it is a module of the library.
     */
    public fun deleteCustomLogger(module: String): Unit = translated { org.ewebrtc.ffi.deleteCustomLogger(module) }
}
