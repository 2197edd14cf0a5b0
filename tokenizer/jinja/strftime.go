package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// strftime is Python's datetime.strftime of a time without a zone, in C's locale. A flag -, _ or 0 behind the % leaves
// out the zeros of a number, writes spaces for them, or writes them, as glibc does.
func strftime(t time.Time, format string) string {
	if strings.IndexByte(format, 0) >= 0 {
		refuse("strftime_now with a zero byte", "Python's versions differ in what is behind it, leave it out")
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		start := i
		flag := byte(0)
		if i++; i < len(format) && strings.IndexByte("-_0", format[i]) >= 0 {
			flag = format[i]
			i++
		}
		text, ok := "", false
		if i < len(format) {
			text, ok = timePart(t, format[i], flag)
		}
		if !ok {
			refuse(fmt.Sprintf("strftime_now with %s", quote(format[start:min(i+1, len(format))])), "have %a %A %b %B %c %C %d %D %e %f %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R %s %S %t %T %u %U %V %w %W %x %X %y %Y %z %Z %%, and %-d %_d %0d of those that are numbers")
		}
		b.WriteString(text)
	}
	return b.String()
}

// timePart returns what stands for %c.
func timePart(t time.Time, c, flag byte) (string, bool) {
	if layout, ok := timeLayouts[c]; ok {
		return t.Format(layout), flag == 0
	}
	if n, ok := timeNumbers[c]; ok {
		fill := n.fill
		switch flag {
		case '-':
			return strconv.Itoa(n.of(t)), true
		case '_':
			fill = ' '
		case '0':
			fill = '0'
		}
		s := strconv.Itoa(n.of(t))
		return strings.Repeat(string(fill), max(0, n.width-len(s))) + s, true
	}
	switch c {
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), flag == 0
	case 's':
		return strconv.FormatInt(t.Unix(), 10), flag == 0
	case 'P':
		return strings.ToLower(t.Format("PM")), flag == 0
	case 'z', 'Z':
		return "", flag == 0 // a time without a zone
	}
	return "", false
}

// timeNumber is a part of a date that is a number.
type timeNumber struct {
	width int
	fill  byte
	of    func(time.Time) int
}

var timeNumbers = map[byte]timeNumber{
	'd': {2, '0', time.Time.Day}, 'e': {2, ' ', time.Time.Day}, 'j': {3, '0', time.Time.YearDay},
	'm': {2, '0', func(t time.Time) int { return int(t.Month()) }},
	'y': {2, '0', func(t time.Time) int { return t.Year() % 100 }}, 'Y': {0, '0', time.Time.Year}, 'C': {2, '0', func(t time.Time) int { return t.Year() / 100 }},
	'g': {2, '0', func(t time.Time) int { return isoYear(t) % 100 }}, 'G': {0, '0', isoYear},
	'H': {2, '0', time.Time.Hour}, 'k': {2, ' ', time.Time.Hour}, 'I': {2, '0', hour12}, 'l': {2, ' ', hour12},
	'M': {2, '0', time.Time.Minute}, 'S': {2, '0', time.Time.Second},
	'u': {1, '0', func(t time.Time) int { return fromMonday(t) + 1 }}, 'w': {1, '0', func(t time.Time) int { return int(t.Weekday()) }},
	'U': {2, '0', func(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }}, 'W': {2, '0', func(t time.Time) int { return (t.YearDay() + 6 - fromMonday(t)) / 7 }},
	'V': {2, '0', func(t time.Time) int { _, week := t.ISOWeek(); return week }},
}

func isoYear(t time.Time) int { year, _ := t.ISOWeek(); return year }

func hour12(t time.Time) int { return (t.Hour()+11)%12 + 1 }

// fromMonday is the day of the week, 0 for Monday.
func fromMonday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

var timeLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'p': "PM",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'D': "01/02/06", 'X': "15:04:05", 'T': "15:04:05", 'R': "15:04",
	'r': "03:04:05 PM", 'F': "2006-01-02", 'n': "\n", 't': "\t", '%': "%",
}
