/* Stand-ins for android.app. */
@file:Suppress("UNUSED_PARAMETER", "unused")

package android.app

import android.content.Context
import android.content.Intent
import android.os.IBinder

class Notification

abstract class Service : Context() {
    abstract fun onBind(intent: Intent?): IBinder?

    open fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int = START_NOT_STICKY

    open fun onDestroy() = Unit

    fun startForeground(id: Int, notification: Notification) = Unit

    fun startForeground(id: Int, notification: Notification, type: Int) = Unit

    fun stopSelf(startId: Int) = Unit

    companion object {
        const val START_NOT_STICKY = 2
    }
}
