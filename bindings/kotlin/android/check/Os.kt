/* Stand-ins for android.os. */
package android.os

interface IBinder

object Build {
    object VERSION {
        const val SDK_INT = 36
    }

    object VERSION_CODES {
        const val R = 30
    }
}
