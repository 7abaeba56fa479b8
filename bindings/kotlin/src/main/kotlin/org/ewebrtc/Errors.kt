/*
 * The exceptions, and how those of the generated code become them.
 *
 * Owns: every exception class of the package, and the way in which commands are awaited. Lives on: any thread. Must not
 * import: anything of this package besides `Event`.
 */
package org.ewebrtc

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.ewebrtc.ffi.ErrorFields as NativeFields
import org.ewebrtc.ffi.InternalException as NativeInternal
import org.ewebrtc.ffi.PhoneException as NativeError
import java.nio.charset.CharacterCodingException

/**
 * The fields of an error of the catalogue. Codes are texts, since leading zeros matter.
 *
 * @property errorCode `ErrorCode`, such as `"2211"`.
 * @property jsObject `JSObject`: the object that reported it.
 * @property jsMethod `JSMethod`: the method that reported it, or `*`.
 * @property errorMessage `ErrorMessage`: one sentence.
 * @property cause `Cause`: the probable cause.
 * @property resolution `Resolution`: the suggested remedy.
 * @property apiError `APIError`: the gateway's own text.
 * @property resourceMethod `ResourceMethod`: method and address of the request that failed.
 * @property httpStatusCode `HttpStatusCode`; `"0"` when no answer came.
 * @property messageId `MessageId`: the gateway's message id.
 * @property additionalInformation `AdditionalInformation`: further detail.
 */
public data class ErrorFields(
    val errorCode: String,
    val jsObject: String = "",
    val jsMethod: String = "",
    val errorMessage: String = "",
    val cause: String = "",
    val resolution: String = "",
    val apiError: String? = null,
    val resourceMethod: String? = null,
    val httpStatusCode: String? = null,
    val messageId: String? = null,
    val additionalInformation: String? = null,
) {
    internal constructor(fields: NativeFields) : this(
        fields.errorCode,
        fields.jsObject,
        fields.jsMethod,
        fields.errorMessage,
        fields.cause,
        fields.resolution,
        fields.apiError,
        fields.resourceMethod,
        fields.httpStatusCode,
        fields.messageId,
        fields.additionalInformation,
    )

    /** The fields that there are, by the names of the Phone API (`ErrorCode`, `JSObject` and so on). */
    public fun toMap(): Map<String, String> = buildMap {
        put("ErrorCode", errorCode)
        put("JSObject", jsObject)
        put("JSMethod", jsMethod)
        put("ErrorMessage", errorMessage)
        put("Cause", cause)
        put("Resolution", resolution)
        apiError?.let { put("APIError", it) }
        resourceMethod?.let { put("ResourceMethod", it) }
        httpStatusCode?.let { put("HttpStatusCode", it) }
        messageId?.let { put("MessageId", it) }
        additionalInformation?.let { put("AdditionalInformation", it) }
    }

    /** Makes fields from data. */
    public companion object {
        /** The reverse of [toMap], from the data of an event; null when there is no `ErrorCode`. */
        public fun of(data: JsonObject): ErrorFields? {
            fun text(name: String): String? = (data[name] as? JsonPrimitive)?.takeIf { it.isString }?.content
            return ErrorFields(
                errorCode = text("ErrorCode") ?: return null,
                jsObject = text("JSObject").orEmpty(),
                jsMethod = text("JSMethod").orEmpty(),
                errorMessage = text("ErrorMessage").orEmpty(),
                cause = text("Cause").orEmpty(),
                resolution = text("Resolution").orEmpty(),
                apiError = text("APIError"),
                resourceMethod = text("ResourceMethod"),
                httpStatusCode = text("HttpStatusCode"),
                messageId = text("MessageId"),
                additionalInformation = text("AdditionalInformation"),
            )
        }
    }
}

/** Base of every exception of this package. Waiting that is cancelled ends with `CancellationException`, as ever. */
public sealed class EwebrtcException(message: String) : Exception(message)

/**
 * Refused or failed with a code of the catalogue. The same was published as an `error` event, or as `session:expired` or
 * `gateway:unreachable` where the protocol says so.
 *
 * @property fields All fields in one.
 */
public class PhoneException(public val fields: ErrorFields) : EwebrtcException(
    listOfNotNull(fields.apiError, fields.additionalInformation).filter { it.isNotEmpty() }
        .joinToString("", "${fields.errorCode}: ${fields.errorMessage}") { " ($it)" },
) {
    /** `ErrorCode`, such as `"2211"`. */
    public val errorCode: String get() = fields.errorCode

    /** `JSObject`: the object that reported it. */
    public val jsObject: String get() = fields.jsObject

    /** `JSMethod`: the method that reported it, or `*`. */
    public val jsMethod: String get() = fields.jsMethod

    /** `ErrorMessage`: one sentence. */
    public val errorMessage: String get() = fields.errorMessage

    /** `Cause`: the probable cause. (`cause` is Java's own.) */
    public val probableCause: String get() = fields.cause

    /** `Resolution`: the suggested remedy. */
    public val resolution: String get() = fields.resolution

    /** `APIError`: the gateway's own text. */
    public val apiError: String? get() = fields.apiError

    /** `ResourceMethod`: method and address of the request that failed. */
    public val resourceMethod: String? get() = fields.resourceMethod

    /** `HttpStatusCode`; `"0"` when no answer came. */
    public val httpStatusCode: String? get() = fields.httpStatusCode

    /** `MessageId`: the gateway's message id. */
    public val messageId: String? get() = fields.messageId

    /** `AdditionalInformation`: further detail. */
    public val additionalInformation: String? get() = fields.additionalInformation
}

/** There never was such a call, as far as the phone knows; base of [CallEndedException]. */
public open class NotFoundException internal constructor(message: String) : EwebrtcException(message)

/**
 * The call has ended; of a call that was waited for, before that came. So says every method of a call that is over, from the moment
 * of its end on, whether its events have come or not.
 *
 * @property event The event that ended it, such as `call:disconnected`, `call:rejected` or `call:canceled`.
 * @property error What the last `error` event of the call said, with all fields; null when there was none.
 */
public class CallEndedException internal constructor(
    public val event: Event,
    public val error: PhoneException?,
) : NotFoundException(ending(event, error)) {
    /** What the event says of the reason, e.g. that nobody answered. */
    public val reason: String? get() = event.reason
}

private fun ending(event: Event, error: PhoneException?): String {
    val reason = event.reason
    if (error != null && error.errorMessage == reason) return "${event.name}: ${error.message}"
    val text = if (reason.isNullOrEmpty()) event.name else "${event.name}: $reason"
    return if (error == null) text else "$text; the last error was ${error.message}"
}

/** The phone has no method of this name. */
public class UnknownMethodException internal constructor(message: String) : EwebrtcException(message)

/** The phone is closed, or the process ends. */
public class ClosedException internal constructor(message: String) : EwebrtcException(message)

/** More than four thousand commands are under way; this one was not given. */
public class BusyException internal constructor(message: String) : EwebrtcException(message)

/** Waiting was refused inside a callback of the library. */
public class InHandlerException internal constructor(message: String) : EwebrtcException(message)

/** A setting cannot be used; the text says which. */
public class ConfigException internal constructor(message: String) : EwebrtcException(message)

/** An argument cannot be used; the text says which. */
public class ArgumentException internal constructor(message: String) : EwebrtcException(message)

/** The call has no program audio in this direction: its media is not `pcm`, or it was not answered yet. */
public class NoAudioException internal constructor(message: String) : EwebrtcException(message)

/** The call has no program video in this direction: its media has no part `;video=frames`, or it was not answered yet. */
public class NoVideoException internal constructor(message: String) : EwebrtcException(message)

/** The operating system or the gateway's development mode refused; the text says what. */
public class SystemRefusedException internal constructor(message: String) : EwebrtcException(message)

/** The library failed inside; please report it. */
public class InternalException internal constructor(message: String) : EwebrtcException(message)

internal fun notFound() = NotFoundException("no live call has this handle")

internal fun closed() = ClosedException("the phone is closed")

private fun lifted(error: NativeError): EwebrtcException = when (error) {
    is NativeError.Refused -> PhoneException(ErrorFields(error.fields))
    is NativeError.NotFound -> notFound()
    is NativeError.UnknownMethod -> UnknownMethodException("there is no method '${error.method}'")
    is NativeError.Closed -> closed()
    is NativeError.Busy -> BusyException("too many commands are under way")
    is NativeError.InHandler -> InHandlerException("waiting inside a callback of the library is refused")
    is NativeError.Config -> ConfigException(error.reason)
    is NativeError.Argument -> ArgumentException(error.reason)
    is NativeError.NoAudio -> NoAudioException("the call has no program audio in this direction")
    is NativeError.NoVideo -> NoVideoException("the call has no program video in this direction")
    is NativeError.System -> SystemRefusedException(error.reason)
    is NativeError.Callback -> InternalException(error.reason)
}

/**
 * A text that the library can have. Looked at before the generated code does: an argument that fails there keeps the object whose
 * method it is for ever.
 */
internal fun text(text: String): String {
    if (!Charsets.UTF_8.newEncoder().canEncode(text)) {
        throw ArgumentException("half of a surrogate pair, which no text can have outside the JVM")
    }
    return text
}

/** The same of one that may be absent. */
@JvmName("textOrNull")
internal fun text(text: String?): String? = text?.let { text(it) }

/** Exceptions of the generated code come out as those of this package. */
internal inline fun <T> translated(work: () -> T): T = try {
    work()
} catch (error: NativeError) {
    throw lifted(error)
} catch (error: NativeInternal) {
    throw InternalException(error.message ?: "the library failed inside")
} catch (_: CharacterCodingException) {
    throw ArgumentException("half of a surrogate pair, which no text can have outside the JVM")
}

/**
 * Awaits a method of the generated code. It is given on the thread that calls, so that commands go in the order in which they
 * are given, and goes on on a thread of `Dispatchers.Default`: whatever the caller's dispatcher is, nothing of the program's
 * runs on a thread of the library.
 */
internal suspend fun <T> answer(work: suspend () -> T): T = coroutineScope {
    async(Dispatchers.Default, CoroutineStart.UNDISPATCHED) { translated { work() } }.await()
}
