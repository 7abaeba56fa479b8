/*
 * Events, and the two ways to follow them: streams and handlers.
 *
 * Owns: `Event`, `Events`, `Subscription`. Lives on: whatever coroutine collects; handlers run on the dispatcher they were given.
 * Nothing here runs on the phone's own thread. Must not import: the generated phone.
 */
package org.ewebrtc

import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.launch
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import org.ewebrtc.ffi.Event as NativeEvent
import java.time.Instant
import java.util.concurrent.CancellationException
import java.util.concurrent.atomic.AtomicLong
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

/** A fact that has happened. Documented properties are in [data], with the names of the Phone API. */
public class Event internal constructor(event: NativeEvent, item: Call?) {
    /** Name, such as `call:connected`. */
    public val name: String = event.name

    /** Number within the phone, rising by one without holes, from 1. */
    public val seq: Long = event.seq.toLong()

    /** When it happened: RFC 3339 with milliseconds, UTC. */
    public val timestamp: String = event.timestamp

    /** The call it is about. */
    public val call: Call? = item.takeIf { event.call != null }

    /** The conference it is about. */
    public val conference: Call? = item.takeIf { event.conference != null }

    /** Tag of the command that caused it. */
    public val tag: String? = event.tag

    private val json: String = event.json

    /**
     * All of it: `event`, `seq`, `timestamp`, where it applies `call` or `conference` (the handle) and `tag`, and its own
     * properties.
     */
    public val data: JsonObject by lazy { Json.parseToJsonElement(json).jsonObject }

    /** A property by its documented name, such as `mediaType`; null when there is none. */
    public operator fun get(name: String): JsonElement? = data[name]

    /** A property that is a text; null when there is none. */
    public fun text(name: String): String? = (data[name] as? JsonPrimitive)?.takeIf { it.isString }?.content

    /** [timestamp] as a time. */
    public val instant: Instant get() = Instant.parse(timestamp)

    /** Property `from`: the address of the caller, of incoming calls. */
    public val from: String? get() = text("from")

    /** Property `to`: the address that was called, of outgoing calls. */
    public val to: String? get() = text("to")

    /** Property `mediaType`: `audio` or `video`. */
    public val mediaType: String? get() = text("mediaType")

    /** Property `oldState`, of `call:state-changed`. */
    public val oldState: String? get() = text("oldState")

    /** Property `newState`, of `call:state-changed`. */
    public val newState: String? get() = text("newState")

    /** Property `message`: what the other side or the gateway said. */
    public val reason: String? get() = text("message")

    /** The error of an `error` event, or the one with which a command finished. */
    public val error: PhoneException?
        get() = ErrorFields.of(data["error"] as? JsonObject ?: data)?.let(::PhoneException)

    /** Number and name. */
    override fun toString(): String = "Event($seq $name)"
}

/** Events that wait for somebody. */
internal class EventQueue(private val names: Set<String>) {
    val channel = Channel<Event>(WAITING)
    val missed = AtomicLong()

    fun put(event: Event) {
        if (names.isNotEmpty() && event.name !in names) return
        if (channel.trySend(event).isFailure) missed.incrementAndGet()
    }

    companion object {
        /** Events that may wait in one stream or for one handler. A call makes about a dozen. */
        const val WAITING = 4096
    }
}

/**
 * The events of a phone from the moment this was made, in order: a hot `Flow` that ends after `phone:closed`. Several are
 * independent of each other. Who collects the same one later, or from another coroutine, goes on where the one before stopped.
 *
 * At most 4096 events wait in one; of a collector that is further behind the newest are left out and counted in [missed]. The
 * phone is never slowed down. While somebody collects, the phone and this are kept from the collector of garbage.
 *
 * Made by [Phone.events].
 */
public class Events internal constructor(
    // A stream keeps its phone alive.
    private val phone: Phone,
    internal val queue: EventQueue,
) : Flow<Event> {
    /** How many events were left out because nobody collected them for so long. */
    public val missed: Long get() = queue.missed.get()

    /** Hands the events to `collector`, in its coroutine, until the phone is closed. */
    override suspend fun collect(collector: FlowCollector<Event>): Unit = Process.holding(this) {
        for (event in queue.channel) collector.emit(event)
    }

    /**
     * The next event, or the next one of these names; those before it are passed over.
     *
     * @throws PhoneException 4901 for an empty name, 4902 for an unknown one.
     * @throws ClosedException when the phone closes before.
     */
    public suspend fun next(vararg names: String): Event = Process.holding(this) {
        phone.check(names)
        for (event in queue.channel) {
            if (names.isEmpty() || event.name in names) return@holding event
        }
        throw closed()
    }
}

/** Marks the coroutine of a handler, so that closing does not wait for itself. */
internal class HandlerMark(val subscription: Subscription) : AbstractCoroutineContextElement(HandlerMark) {
    companion object Key : CoroutineContext.Key<HandlerMark>
}

/**
 * A handler that [Phone.on] registered. Its events come one at a time and in order: the next one when the handler has returned.
 * At most 4096 wait for it; of one that is further behind the newest are left out and counted in [missed].
 */
public class Subscription internal constructor(
    private val hub: Hub,
    internal val queue: EventQueue,
    scope: CoroutineScope,
    handler: suspend (Event) -> Unit,
) {
    internal val job: Job = scope.launch(HandlerMark(this)) {
        for (event in queue.channel) {
            try {
                handler(event)
            } catch (end: CancellationException) {
                throw end
            } catch (@Suppress("TooGenericExceptionCaught") error: Throwable) {
                report(currentCoroutineContext(), error)
            }
        }
    }

    /** How many events were left out because the handler did not return for so long. */
    public val missed: Long get() = queue.missed.get()

    /**
     * Removes the handler; it is not called for events whose delivery has not begun. What it is doing goes on. False: it was
     * removed before.
     */
    public fun off(): Boolean = hub.remove(this).also { queue.channel.cancel() }

    /** As of a coroutine that failed, and yet the next event comes as usual. */
    private fun report(context: CoroutineContext, error: Throwable) {
        val handler = context[CoroutineExceptionHandler]
        if (handler != null) {
            handler.handleException(context, error)
        } else {
            val thread = Thread.currentThread()
            thread.uncaughtExceptionHandler.uncaughtException(thread, error)
        }
    }
}
