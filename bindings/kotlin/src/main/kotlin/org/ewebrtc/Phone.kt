/*
 * The phone.
 *
 * Owns: `Phone`. Lives on: any thread; events are delivered by its hub. Must not import: anything that is not of this package.
 */
package org.ewebrtc

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.ewebrtc.ffi.AnswerOptions
import org.ewebrtc.ffi.ConferenceOptions
import org.ewebrtc.ffi.DialOptions
import org.ewebrtc.ffi.JoinOptions
import org.ewebrtc.ffi.LoginOptions
import org.ewebrtc.ffi.UniffiLib
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import org.ewebrtc.ffi.Phone as NativePhone

/**
 * A telephone: one user, one session.
 *
 * ```
 * Phone(gateway).use { phone ->
 *     phone.login(token)
 *     val call = phone.dial("bob")
 *     call.connected()
 * }
 * ```
 *
 * The end of the block closes it: calls end, the session is given back, recordings are complete. Methods that suspend complete when
 * the command finishes, [dial] as soon as the call exists; cancelling the coroutine that waits does not end the command. Commands
 * go in the order in which they are given. `tag` comes back in the events that a command causes. All may be used on any thread;
 * what the program gives runs on its own dispatchers, never on a thread of the library.
 *
 * A phone that is no longer referred to is closed by the collector. A coroutine that collects its events or waits for one of its
 * commands or calls refers to it; handlers do not.
 *
 * @throws ConfigException for a setting that cannot be used; the text names it.
 * @throws SystemRefusedException when there are no threads.
 * @throws ClosedException when the process ends.
 */
public class Phone(gateway: String, settings: PhoneSettings = PhoneSettings()) : AutoCloseable {
    /** A phone of the gateway in this process. */
    public constructor(gateway: Gateway, settings: PhoneSettings = PhoneSettings()) : this(gateway.url, settings)

    /** Samples per second of program audio. */
    public val pcmRate: Int = settings.pcmRate

    private val hub = Hub()
    private val native: NativePhone
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    init {
        Process.attend()
        native = translated { NativePhone(settings.native(gateway), Listener(hub)) }
        hub.makeCall = { handle -> Call(this, native.call(handle.toULong())) }
    }

    // A phone that nobody holds any more must not go on calling into Kotlin. What is left at exit is `Process`'s.
    private val cleanable = UniffiLib.CLEANER.register(this, ending(native))

    // ---- events ----------------------------------------------------------------------------------------------------------

    private fun queue(names: Array<out String>): EventQueue {
        check(names)
        return EventQueue(names.toSet())
    }

    /** Refuses names of no event: they would never come. */
    internal fun check(names: Array<out String>) {
        for (name in names) translated { native.checkEventName(text(name)) }
    }

    /**
     * The events from now on, or those of these names, as a `Flow` that ends after `phone:closed`. Make it before [login] to miss
     * nothing.
     *
     * @throws PhoneException 4901 for an empty name, 4902 for an unknown one.
     */
    public fun events(vararg names: String): Events = Events(this, queue(names)).also(hub::add)

    /**
     * The next event, or the next one of these names, from now on; `withTimeout` bounds it.
     *
     * @throws PhoneException 4901, 4902.
     * @throws ClosedException when the phone closes.
     */
    public suspend fun waitFor(vararg names: String): Event = events(*names).next()

    /**
     * Calls `handler` with every event, or with those of these names, one at a time and in order, in a coroutine with this
     * `context`. Where the context has a `Job`, the end of that is the end of the handler. An exception goes to the
     * `CoroutineExceptionHandler` of the context, without one to the thread's handler of uncaught exceptions, and the next event
     * comes as usual.
     *
     * @throws PhoneException 4901 for an empty name, 4902 for an unknown one.
     */
    public fun on(
        vararg names: String,
        context: CoroutineContext = Dispatchers.Default,
        handler: suspend (Event) -> Unit,
    ): Subscription = Subscription(hub, queue(names), CoroutineScope(scope.coroutineContext + context), handler).also(hub::add)

    /** How many events were lost because `Dispatchers.Default` had no thread for them for so long (65536 wait). */
    public val missed: Long get() = hub.missed

    // ---- commands --------------------------------------------------------------------------------------------------------

    /**
     * Logs in. Completes at `session:ready`. userId: bind the token to this user before. e911Id: emergency address, needed by
     * numbers, forbidden for account ids.
     *
     * @throws PhoneException 2002 without a token, 2003 while logged in, 1541 and other codes of the gateway, 0002 without an answer.
     */
    public suspend fun login(token: String, userId: String? = null, e911Id: String? = null, tag: String? = null): Unit =
        answer { native.login(LoginOptions(text(token), text(userId), text(e911Id)), text(tag)) }

    /** As the other [login], with the token of a gateway in development mode. */
    public suspend fun login(token: DevToken, userId: String? = null, e911Id: String? = null, tag: String? = null): Unit =
        login(token.accessToken, userId, e911Id, tag)

    /**
     * Ends all calls and the session. Completes at `session:disconnected`.
     *
     * @throws PhoneException 2101 while not logged in.
     */
    public suspend fun logout(tag: String? = null): Unit = answer { native.logout(text(tag)) }

    /**
     * Dials a name, `user@domain` or number. Completes when the call exists, before it is answered: see [Call.connected].
     * `localMedia` and `remoteMedia` are also those of later calls that name none: media that is not named is that of the call
     * before, at first the phone's.
     *
     * @throws PhoneException 2211 to 2213 for the destination, 2221 to 2232 for the media, 2241 while not logged in, 2251 and 2252
     *   while there is another call.
     */
    public suspend fun dial(
        destination: String,
        mediaType: String? = null,
        localMedia: String? = null,
        remoteMedia: String? = null,
        tag: String? = null,
    ): Call = known(
        answer { native.dial(DialOptions(text(destination), text(mediaType), text(localMedia), text(remoteMedia)), text(tag)).handle() },
    )

    /**
     * Answers the incoming call and gives it. Completes at `call:connected`. localMedia, remoteMedia: as of [dial], also those of
     * later calls that name none. mediaType: `audio` answers a video call with audio only, which may be upgraded later. action: what
     * to do with the call in the foreground, `end` or `hold`.
     *
     * @throws PhoneException 2311 and 2312 for the media, 2321 while not logged in, 2331 while nothing rings, 2341 while there is
     *   another call and no action, 2300 for a mediaType that cannot be.
     * @throws NotFoundException when it ended meanwhile.
     */
    public suspend fun answer(
        localMedia: String? = null,
        remoteMedia: String? = null,
        mediaType: String? = null,
        action: String? = null,
        tag: String? = null,
    ): Call = known(
        answer { native.answer(AnswerOptions(text(localMedia), text(remoteMedia), text(mediaType), text(action)), text(tag)).handle() },
    )

    /**
     * Refuses the incoming call. Completes at `call:rejected`.
     *
     * @throws PhoneException 3001 while not logged in, 3002 while nothing rings.
     */
    public suspend fun reject(tag: String? = null): Unit = answer { native.reject(text(tag)) }

    /**
     * Withdraws the outgoing call before it is answered. Completes at `call:canceled`.
     *
     * @throws PhoneException 2901 while not logged in, 2902 while nothing is being dialled.
     */
    public suspend fun cancel(tag: String? = null): Unit = answer { native.cancel(text(tag)) }

    /**
     * Ends the call in the foreground. Completes at `call:disconnected`.
     *
     * @throws PhoneException 2401 while not logged in, 2402 without a call.
     */
    public suspend fun hangup(tag: String? = null): Unit = answer { native.hangup(text(tag)) }

    /**
     * Sends silence in the call in the foreground.
     *
     * @throws PhoneException 2701 while not logged in, 2702 without a call.
     */
    public suspend fun mute(tag: String? = null): Unit = answer { native.mute(text(tag)) }

    /**
     * Sends the source in the call in the foreground again.
     *
     * @throws PhoneException 2801 while not logged in, 2802 without a call.
     */
    public suspend fun unmute(tag: String? = null): Unit = answer { native.unmute(text(tag)) }

    /**
     * Presses keys in the call in the foreground: `0-9`, `A-D`, `*`, `#`, and `,` for a pause of two seconds, behind those that are
     * still to be sent. `gap` is the pause between two, from 50 ms to 6 s, by default 70 ms. Each key is told by
     * `dtmf:tone-sending` and `dtmf:tone-sent`. Completes when the last one was sent.
     *
     * @throws PhoneException 4712 for an empty text or another character, 4721 while not logged in, 4731 without a call, 4741 while it
     *   is not connected, 0000 when the other side takes no keys, 4700 when the call ends first or too many wait.
     * @throws ArgumentException for a gap that is negative or longer than 49 days.
     */
    public suspend fun sendDtmfTone(tones: String, gap: Duration? = null, tag: String? = null) {
        val between = gap?.let(::milliseconds)
        answer { native.sendDtmfTone(text(tones), between, text(tag)) }
    }

    // ---- conferences -----------------------------------------------------------------------------------------------------

    /**
     * Starts a conference with this phone as its host and nobody else in it; a call in the foreground is held for it. Completes at
     * `conference:connected`. Arguments as of [dial], also in that the media is that of later calls that name none.
     *
     * @throws PhoneException 3111 to 3122 for the media, 3131 while not logged in, 3961 with two calls, 3100 while something is being
     *   set up or the call in the foreground cannot be held, 0020 when there is no source or sink.
     */
    public suspend fun startConference(
        mediaType: String? = null,
        localMedia: String? = null,
        remoteMedia: String? = null,
        tag: String? = null,
    ): Call = known(
        answer { native.startConference(ConferenceOptions(text(mediaType), text(localMedia), text(remoteMedia)), text(tag)).handle() },
    )

    /**
     * Joins the conference that this phone is invited to (event `conference:invitation-received`) and gives it. Completes at
     * `conference:connected`. action: what to do with the call or conference in the foreground, `end` or `hold`.
     *
     * @throws PhoneException 3211 and 3212 for the media, 3221 while not logged in, 3231 without an invitation, 3241 while there is a
     *   call and no action, 3200 when it fails on the way.
     * @throws NotFoundException when it ended meanwhile.
     */
    public suspend fun joinConference(
        localMedia: String? = null,
        remoteMedia: String? = null,
        action: String? = null,
        tag: String? = null,
    ): Call = known(answer { native.joinConference(JoinOptions(text(localMedia), text(remoteMedia), text(action)), text(tag)).handle() })

    /**
     * Declines the invitation to a conference. Completes at `conference:invitation-rejected`.
     *
     * @throws PhoneException 3301 while not logged in, 3302 without an invitation.
     */
    public suspend fun rejectConference(tag: String? = null): Unit = answer { native.rejectConference(text(tag)) }

    /**
     * Leaves the conference in the foreground; one of this phone ends for everybody. Completes at `conference:ended`.
     *
     * @throws PhoneException 3501 while not logged in, 3502 without a conference in the foreground.
     */
    public suspend fun endConference(tag: String? = null): Unit = answer { native.endConference(text(tag)) }

    /**
     * Invites a party to the conference of this phone in the foreground. Completes at `conference:invitation-sent`; whether the
     * party comes is told by `conference:invitation-accepted`, `conference:invitation-rejected` or a `notification`.
     *
     * @throws PhoneException 3611 to 3613 for the text, 3621 while not logged in, 3631 without a conference of this phone, 3641 when
     *   the party is in it, 3600 when the gateway takes no invitation.
     */
    public suspend fun addParticipant(participant: String, tag: String? = null): Unit =
        answer { native.addParticipant(text(participant), text(tag)) }

    /**
     * Takes a party out of the conference of this phone in the foreground. Completes at `conference:participant-removed`, also when
     * the party is not on its list.
     *
     * @throws PhoneException 3711 for an empty text, 3721 while not logged in, 3731 without a conference of this phone, 3700 when the
     *   text names nobody or the gateway refuses.
     */
    public suspend fun removeParticipant(participant: String, tag: String? = null): Unit =
        answer { native.removeParticipant(text(participant), text(tag)) }

    /**
     * Who is in the conference of this phone in the foreground, in the order of their names.
     *
     * @throws PhoneException 3401 while not logged in, 3402 without a conference of this phone.
     */
    public suspend fun getParticipants(): List<Participant> =
        answer { native.getParticipants() }.map { Participant(it.participant, it.status) }

    // ---- calls that are established ----------------------------------------------------------------------------------------

    /**
     * Puts the call in the foreground on hold: neither side hears the other. Completes at `call:held`, which the other side gets too.
     *
     * @throws PhoneException 2501 while not logged in, 2502 without a call, 2503 while it is not connected; 2500 when it fails on the
     *   way.
     */
    public suspend fun hold(tag: String? = null): Unit = run("hold", tag)

    /**
     * Goes on with the call in the foreground that this phone holds. Completes at `call:resumed`.
     *
     * @throws PhoneException 2601 while not logged in, 2602 without a call, 2603 while it is not held; 2600 when it fails on the way.
     */
    public suspend fun resume(tag: String? = null): Unit = run("resume", tag)

    /**
     * Holds the call in the foreground and dials another party. Completes when the new call exists; it rings when the first one is
     * held. Arguments as of [dial], also in that the media is that of later calls that name none.
     *
     * @throws PhoneException with the codes of addCall (39xx).
     */
    public suspend fun addCall(
        destination: String,
        mediaType: String? = null,
        localMedia: String? = null,
        remoteMedia: String? = null,
        tag: String? = null,
    ): Call {
        val given = mapOf("mediaType" to mediaType, "localMedia" to localMedia, "remoteMedia" to remoteMedia)
        val options = mapOf("destination" to destination) + given.filterValues { it != null }
        val made = invoke("addCall", options, tag = tag)
        return known(made.jsonObject.getValue("call").jsonPrimitive.long.toULong())
    }

    /**
     * Holds the call in the foreground and goes on with the other one. Completes at `session:call-switched`.
     *
     * @throws PhoneException with the codes of switchCall.
     */
    public suspend fun switchCall(tag: String? = null): Unit = run("switchCall", tag)

    /**
     * Connects the party in the foreground with the one in the background and leaves. Completes at `call:transferred`, after which
     * both calls end here.
     *
     * @throws PhoneException with the codes of transfer; then both calls go on.
     */
    public suspend fun transfer(tag: String? = null): Unit = run("transfer", tag)

    /**
     * Moves the call in the foreground to another session of the same user, where it rings. Completes at `call:moved`, after which
     * it ends here; when nobody takes it, it goes on here.
     *
     * @throws PhoneException with the codes of move.
     */
    public suspend fun move(tag: String? = null): Unit = run("move", tag)

    /**
     * Asks the other side to make the audio call in the foreground a video call. Completes when it has answered, also when it does
     * not want to: then this side's video is sent all the same, and its own does not come.
     *
     * @throws PhoneException 4601 while not logged in, 4602 without a call, 4603 while it is not connected or is changing, 4604 when
     *   it is a video call already; 0020 when its localMedia names no source of video; 4600 when it fails on the way.
     */
    public suspend fun upgrade(tag: String? = null): Unit = answer { native.upgrade(text(tag)) }

    /**
     * Stops sending video in the call in the foreground, and asks the other side to do the same. Completes when it has answered;
     * when it does not want to, its video goes on coming.
     *
     * @throws PhoneException 4501 while not logged in, 4502 without a call, 4503 while it is not connected or is changing, 4504 when
     *   it is an audio call already; 4500 when it fails on the way.
     */
    public suspend fun downgrade(tag: String? = null): Unit = answer { native.downgrade(text(tag)) }

    /**
     * Agrees to the upgrade or downgrade that the other side has asked for (event `call:media-modification`). Completes when the
     * change is made; both sides have the same media then.
     *
     * @throws PhoneException 4301 while not logged in, 4302 without a call, 4304 when nothing was asked for, 4303 in a wrong state;
     *   0020 for an upgrade of a call whose localMedia names no source of video, and the request goes on waiting; 4300 when it
     *   fails on the way.
     */
    public suspend fun acceptModification(tag: String? = null): Unit = answer { native.acceptModification(text(tag)) }

    /**
     * Does not follow the upgrade or downgrade that the other side has asked for: this side keeps its media, the other side changes
     * its own. Completes when that is made.
     *
     * @throws PhoneException as [acceptModification], with the codes of rejectModification (44xx), and never 0020.
     */
    public suspend fun rejectModification(tag: String? = null): Unit = answer { native.rejectModification(text(tag)) }

    /**
     * Changes the emergency address of the session. Completes at `address-updated`.
     *
     * @throws PhoneException 2052 for an empty id, 2053 while not logged in, 1019 when the gateway does not know it.
     */
    public suspend fun associateE911Id(e911Id: String, tag: String? = null) {
        perform("associateE911Id", mapOf("e911Id" to e911Id), tag = tag)
    }

    /** The established calls and conferences, in order of establishment. Throws [ClosedException]. */
    public suspend fun getCalls(): List<CallInfo> = invoke("getCalls").jsonArray.map { entry ->
        val call = entry.jsonObject
        fun text(name: String) = (call[name] as? JsonPrimitive)?.contentOrNull.orEmpty()
        CallInfo(
            index = call.getValue("index").jsonPrimitive.int,
            state = text("state"),
            breed = text("breed"),
            type = text("type"),
            peer = text("peer"),
            foreground = (call["foreground"] as? JsonPrimitive)?.booleanOrNull == true,
            participants = (call["participants"] as? JsonArray).orEmpty().map {
                val one = it.jsonObject
                Participant(
                    one.getValue("participant").jsonPrimitive.content,
                    one.getValue("status").jsonPrimitive.content,
                )
            },
        )
    }

    /** Media type of the call in the foreground; null without one. Throws [ClosedException]. */
    public suspend fun getMediaType(): String? = (invoke("getMediaType") as? JsonPrimitive)?.contentOrNull

    /** Whether there is an established call in the foreground. Throws [ClosedException]. */
    public suspend fun isCallInProgress(): Boolean = invoke("isCallInProgress").jsonPrimitive.booleanOrNull == true

    /** Version of the library. Throws [ClosedException]. */
    public suspend fun getVersion(): String = invoke("getVersion").jsonPrimitive.content

    /**
     * Gives any Phone method by its documented name, with its options by theirs, and waits until it is accepted, not until it
     * finishes. With `call`, on that call. Options are texts, numbers, booleans, null, lists and maps of these, or JSON. Gives its
     * value: that of a getter, `{"call": handle}` of `dial`, `{"conference": handle}` of `startConference`, else JSON's null.
     *
     * @throws UnknownMethodException for a name that is none.
     * @throws ArgumentException for an option that is no JSON.
     * @throws PhoneException with the code.
     * @throws CallEndedException when the call has ended.
     * @throws NotFoundException when there never was such a call.
     * @throws BusyException when too many commands are under way.
     * @throws ClosedException when the phone is closed.
     */
    public suspend fun invoke(
        method: String,
        options: Map<String, Any?> = emptyMap(),
        call: Call? = null,
        tag: String? = null,
    ): JsonElement {
        val json = jsonOf(options).toString()
        return about(call) { native.invoke(text(method), text(json), call?.handle?.toULong(), text(tag)) }
    }

    /**
     * As [invoke], and waits until the command has finished.
     *
     * Throws as [invoke], and what the command failed of on the way.
     */
    public suspend fun perform(
        method: String,
        options: Map<String, Any?> = emptyMap(),
        call: Call? = null,
        tag: String? = null,
    ): JsonElement {
        val json = jsonOf(options).toString()
        return about(call) { native.perform(text(method), text(json), call?.handle?.toULong(), text(tag)) }
    }

    /** A method that may be about a call, and its value. */
    private suspend fun about(call: Call?, work: suspend () -> String): JsonElement =
        Json.parseToJsonElement(if (call == null) answer(work) else call.lasting(work))

    private suspend fun run(method: String, tag: String?) {
        perform(method, tag = tag)
    }

    /** The call with this handle. It is not checked whether it lives. */
    public fun call(handle: Long): Call = hub.call(handle, known = false)

    private fun known(handle: ULong): Call = hub.call(handle.toLong(), known = true)

    // ---- what calls are set up with, and the network -----------------------------------------------------------------------

    /**
     * STUN and TURN servers of calls made from now on, at first those of the settings.
     *
     * Setting it throws [PhoneException] 4811 for an empty list, a server without a URL and a URL that cannot be read.
     */
    public var iceServers: List<IceServer>
        get() = native.iceServers().map(::IceServer)
        set(value) = translated { native.setIceServers(value.map { it.native() }) }

    /** Goes back to the servers of the settings. */
    public fun resetIceServers(): Unit = native.resetIceServers()

    /** Which paths the media of calls made from now on may take. Throws [ClosedException]. */
    public var iceTransport: IceTransport
        get() = translated { native.iceTransport() }.let { word -> IceTransport.entries.first { it.word == word } }
        set(value) = translated { native.setIceTransport(value.word) }

    /** Goes back to the paths of the settings. */
    public fun resetIceTransport(): Unit = native.resetIceTransport()

    /**
     * Whether calls made from now on offer IPv6 addresses.
     *
     * Setting it throws [PhoneException] 4831 for false in a phone that offers no IPv4 addresses.
     */
    public var ipv6: Boolean
        get() = native.ipv6()
        set(value) = translated { native.setIpv6(value) }

    /** Goes back to what the settings say of IPv6. */
    public fun resetIpv6(): Unit = native.resetIpv6()

    /** The codec that was chosen, as it was named; null: those of the settings, by preference. Throws [ClosedException]. */
    public val audioCodec: String? get() = translated { native.audioCodec() }

    /**
     * Chooses the only audio codec of calls made from now on, by its name in any case.
     *
     * @throws ConfigException for a codec that is none; the text names those that are.
     */
    public fun setAudioCodec(codec: String): Unit = translated { native.setAudioCodec(text(codec)) }

    /** As the other [setAudioCodec]. */
    public fun setAudioCodec(codec: AudioCodec): Unit = setAudioCodec(codec.name)

    /** Goes back to the codecs of the settings. */
    public fun resetAudioCodec(): Unit = native.resetAudioCodec()

    /**
     * Whether the phone counts as online: what the program said last by [setConnectivity], else what the operating system says about
     * the way to the gateway. A gateway on loopback needs no network. While a phone is offline, what needs the gateway is refused
     * with 0002, and calls stay.
     */
    public val isOnline: Boolean get() = native.isOnline()

    /**
     * Tells the phone that the device went offline or came back; events `connectivity:off` and `connectivity:on`. For programs that
     * know better than the phone's own watching of the network, as apps do. Their word counts from now on, until [followNetwork].
     */
    public fun setConnectivity(online: Boolean): Unit = native.setConnectivity(online)

    /** Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning. */
    public fun followNetwork(): Unit = native.followNetwork()

    // ---- the end -----------------------------------------------------------------------------------------------------------

    /** Begins to close the phone and never waits: calls end, the session is given back, `phone:closed` is the last event. */
    public fun beginClose(): Unit = native.beginClose()

    /**
     * Closes the phone and waits, `timeout` at most, for its last event and for the handlers (except the one that calls this; those
     * that are late are cancelled). Afterwards nothing comes any more, recordings are complete, and every method that is awaited
     * throws [ClosedException]. Closing twice does nothing more.
     */
    public suspend fun closeAndWait(timeout: Duration = PATIENCE) {
        val own = currentCoroutineContext()[HandlerMark]?.subscription
        native.beginClose()
        withTimeoutOrNull(timeout) {
            try {
                answer { native.closed() }
            } catch (_: ClosedException) {
                // Somebody else has ended it meanwhile.
            }
            hub.finish()
            hub.ended.await()
            hub.handled(own)
        }
        withContext(Dispatchers.Default) { end(Duration.ZERO) }
        hub.cancelHandlers(own)
    }

    /**
     * As [closeAndWait], for 10 seconds at most, and blocks the thread meanwhile: for `use`, and for what is no coroutine. It does
     * not wait for handlers and collectors, which may go on with the events that have come. May be called inside a handler.
     */
    override fun close(): Unit = end(PATIENCE)

    private fun end(patience: Duration) {
        native.shutdown(patience.inWholeMilliseconds.toULong())
        hub.finish()
        cleanable.clean()
    }

    /** Its calls are not part of it. */
    override fun toString(): String = "Phone(${if (hub.ended.isCompleted) "closed" else "open"})"

    private companion object {
        val PATIENCE = 10.seconds

        /** Refers to nothing but the library's phone. */
        fun ending(native: NativePhone) = Runnable { native.shutdown(0uL) }

        fun jsonOf(value: Any?): JsonElement = when (value) {
            null -> JsonNull
            is JsonElement -> value
            is String -> JsonPrimitive(value)
            is Number -> JsonPrimitive(value)
            is Boolean -> JsonPrimitive(value)
            is Map<*, *> -> JsonObject(value.entries.associate { it.key.toString() to jsonOf(it.value) })
            is Iterable<*> -> JsonArray(value.map { jsonOf(it) })
            else -> throw ArgumentException("an option cannot be a ${value::class.java.simpleName}")
        }
    }
}
