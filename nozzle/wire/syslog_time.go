package wire

import "math"

// syslogTime reads a TIMESTAMP of RFC 5424, such as 2026-11-18T11:06:40.123456+00:00, in nanoseconds since the epoch;
// 0 where it is "-". A time that int64 cannot hold becomes the nearest one that it can.
func syslogTime(b []byte) (int64, bool) {
	if isNil(b) {
		return 0, true
	}
	seconds, ok := syslogSeconds(b)
	if !ok {
		return 0, false
	}
	rest := b[len("2006-01-02T15:04:05"):]
	nanos, n := syslogFraction(rest)
	offset, ok := syslogOffset(rest[n:])
	if !ok {
		return 0, false
	}
	seconds -= offset
	const last = math.MaxInt64 / 1_000_000_000
	switch {
	case seconds > last || seconds == last && nanos > math.MaxInt64%1_000_000_000:
		return math.MaxInt64, true
	case seconds < -last:
		return math.MinInt64, true
	}
	return seconds*1_000_000_000 + nanos, true
}

// syslogSeconds reads FULL-DATE, T and the hour, minute and second; at least one byte follows them.
func syslogSeconds(b []byte) (int64, bool) {
	const shortest = len("2006-01-02T15:04:05Z")
	if len(b) < shortest || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	century, year, month, day := twoDigits(b), twoDigits(b[2:]), twoDigits(b[5:]), twoDigits(b[8:])
	hour, minute, second := twoDigits(b[11:]), twoDigits(b[14:]), twoDigits(b[17:])
	if century > 99 || year > 99 || month-1 > 11 || day-1 > 30 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	days := civilDays(int64(century)*100+int64(year), int64(month), int64(day))
	return days*86400 + int64(hour)*3600 + int64(minute)*60 + int64(second), true
}

// syslogFraction reads TIME-SECFRAC of one to nine digits, in nanoseconds, and its length; 0 and 0 where there is none.
func syslogFraction(b []byte) (nanos int64, length int) {
	n := 0
	if b[0] == '.' {
		n = digits(b[1:])
	}
	if n == 0 || n > 9 {
		return 0, 0
	}
	for i := range 9 {
		nanos *= 10
		if i < n {
			nanos += int64(b[1+i] - '0')
		}
	}
	return nanos, 1 + n
}

// twoDigits reads two digits; the result is large where they are none.
func twoDigits(b []byte) uint {
	tens, ones := uint(b[0])-'0', uint(b[1])-'0'
	if tens > 9 || ones > 9 {
		return math.MaxUint / 2
	}
	return tens*10 + ones
}

// syslogOffset reads TIME-OFFSET: Z, or hours and minutes before or after that; in seconds.
func syslogOffset(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != len("+00:00") || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hours, minutes := twoDigits(b[1:]), twoDigits(b[4:])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := int64(hours*3600 + minutes*60)
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// civilDays is the number of days from 1970-01-01 to a date of the Gregorian calendar, whose years begin in March
// here, so that the leap day is the last one.
func civilDays(year, month, day int64) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719469
}
